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
    return boto3.Session(botocore_session=_with_shared_loader(botocore.session.get_session()))


def async_session(config: DynamoDBConfig) -> Any:
    """The async session of the configuration, or a new one of aiobotocore."""
    if config.async_session is not None:
        return config.async_session
    from aiobotocore.session import get_session  # noqa: PLC0415 - an optional extra

    return _with_shared_loader(get_session())


def _with_shared_loader(session: Any) -> Any:
    data_path = session.get_config_variable("data_path")
    session.register_component("data_loader", _loader(data_path))
    return session
