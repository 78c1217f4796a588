"""Sessions of the engine's clients."""

from __future__ import annotations

from typing import Any

import boto3

REGION = "eu-central-1"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def sync_session() -> boto3.Session:
    return boto3.Session(region_name=REGION, **KEYS)


def async_session() -> Any:
    """A session of whichever async library is installed, aioboto3 first."""
    try:
        import aioboto3
    except ImportError:
        from aiobotocore.session import AioSession

        session = AioSession()
        session.set_config_variable("region", REGION)
        session.set_credentials("test", "test")
        return session
    return aioboto3.Session(region_name=REGION, **KEYS)
