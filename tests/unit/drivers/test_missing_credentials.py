"""Credentials that botocore cannot find or read, with its real sessions: nothing is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from langgraph_checkpoint_dynamodb import AccessDeniedError, DynamoDBConfig, DynamoDBSaver
from sessions import MODES
from threads import config_of

SSO = """
sso_session = a
sso_account_id = 1
sso_role_name = b
[sso-session a]
sso_region = us-east-1
sso_start_url = https://x
"""
FILES = {
    "an id without its secret": ("aws_access_key_id = a", "missing: aws_secret_access_key"),
    "a program that prints no JSON": ("credential_process = /bin/echo text", "JSONDecodeError"),
    "a program that is missing": ("credential_process = /no/such/program", "/no/such/program"),
    "a token file that is missing": (
        "role_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /no/such/token",
        "/no/such/token",
    ),
    "nobody has logged in": (SSO, "SSOTokenLoadError"),
}


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def refused(mode: str) -> list[AccessDeniedError]:
    """What two reads raise, one after the other."""
    config = DynamoDBConfig(region_name="eu-west-1", endpoint_url="http://127.0.0.1:1")
    errors = []
    saver = DynamoDBSaver(config)

    async def aget() -> None:
        async with saver:
            await saver.aget_tuple(config_of("t"))

    for _ in range(2):
        with pytest.raises(AccessDeniedError) as caught:
            asyncio.run(aget()) if mode == "async" else saver.get_tuple(config_of("t"))
        errors.append(caught.value)
    saver.close()
    return errors


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("case", FILES)
def test_they_are_refused_and_not_tried_again(profile: Path, mode: str, case: str) -> None:
    content, told = FILES[case]
    profile.write_text(f"[default]\n{content}\n")
    for error in refused(mode):
        assert "query on table 'langgraph-checkpoint' in region eu-west-1" in str(error)
        assert "no usable AWS credentials" in str(error)
        assert told in str(error)
        assert not error.retryable
        assert "tried" not in str(error)


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("mode", MODES[:2])
def test_an_id_without_its_secret_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    for error in refused(mode):
        assert "Partial credentials found in env" in str(error)
