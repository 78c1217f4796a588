"""Sessions of botocore: one for each saver and library, with one loader of models for the process.

A session reads botocore's models (20 MB of JSON) through its loader. With a loader for each
session, the first client of each costs 60 to 100 ms of processor time; with a shared one 4 ms.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
import botocore.session
from botocore.exceptions import BotoCoreError, ProfileNotFound

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..config.saver_config import DynamoDBConfig


@cache
def _loader(data_path: str | None) -> botocore.loaders.Loader:
    return botocore.loaders.create_loader(data_path)


def sync_session(config: DynamoDBConfig) -> Any:
    """The boto3 session of the configuration, or a new one.

    Not boto3's default session: it is not safe to share while it makes clients.
    """
    if config.session is not None:
        return config.session
    return _in_boto3(botocore.session.get_session())


def profile_session(profile: str) -> boto3.Session:
    """A boto3 session with a profile of the AWS configuration files.

    Raises:
        ConfigurationError: There is no such profile.
    """
    try:
        return _in_boto3(botocore.session.Session(profile=profile))
    except ProfileNotFound:
        found = ", ".join(sorted(botocore.session.get_session().available_profiles)) or "none"
        raise ConfigurationError(
            f"profile {profile!r} is in no AWS configuration file: use one of these: {found}"
        ) from None


def credentials_source(config: DynamoDBConfig) -> tuple[str | None, str | None]:
    """Where credentials come from, such as `env` or `sso`; or why there are none."""
    if config.aws_access_key_id is not None:
        return "the configuration", None
    try:
        found = sync_session(config).get_credentials()
    except BotoCoreError as error:
        return None, str(error)
    return (None, None) if found is None else (str(found.method), None)


def async_session(config: DynamoDBConfig) -> Any:
    """The async session of the configuration, or a new one of aiobotocore."""
    if config.async_session is not None:
        return config.async_session
    from aiobotocore.session import get_session  # noqa: PLC0415 - an optional extra

    return _with_shared_loader(get_session())


def _in_boto3(session: botocore.session.Session) -> boto3.Session:
    """boto3's session around one of botocore, with the shared loader."""
    made = boto3.Session(botocore_session=_with_shared_loader(session))
    # It has appended the path of its own models: once is enough for all sessions.
    paths = session.get_component("data_loader").search_paths
    paths[:] = dict.fromkeys(paths)
    return made


def _with_shared_loader(session: Any) -> Any:
    data_path = session.get_config_variable("data_path")
    session.register_component("data_loader", _loader(data_path))
    return session
