"""Emulators of CloudFormation with a DynamoDB behind it, and who deploys to them.

ministack takes the template as it is and has change sets, updates and Retain. moto is a second
opinion on making and deleting a stack; it loses the outputs when a change set is executed, and the
table when a stack is updated.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from clients import KEYS, REGION
from engine import free_port
from langgraph_checkpoint_dynamodb import DynamoDBConfig
from samconfig import ROOT
from stacks import TEMPLATE_FILE
from tools import tool

_START_SECONDS = 60
_PORT_TRIES = 3


@dataclass(frozen=True)
class Cloud:
    """A running emulator.

    Attributes:
        url: The endpoint of all its services.
        home: A directory that tools may take for the user's.
    """

    url: str
    home: Path

    @property
    def config(self) -> DynamoDBConfig:
        return DynamoDBConfig(endpoint_url=self.url, region_name=REGION, **KEYS)

    def client(self, service: str) -> Any:
        return boto3.Session(region_name=REGION, **KEYS).client(service, endpoint_url=self.url)

    @property
    def environment(self) -> dict[str, str]:
        """Leads every tool and client here, and nobody's own settings with it."""
        return {
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
        }

    def run(self, command: list[str | Path], **environment: str) -> str:
        """What a command prints; an error if it fails."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class AwsCli:
    """Deploys by change sets of `aws cloudformation deploy`."""

    stack = "chats"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def deploy(self, **parameters: str) -> None:
        self._aws(
            "deploy",
            *("--template-file", TEMPLATE_FILE.name),
            *("--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())),
        )

    def delete(self) -> None:
        self._aws("delete-stack")
        self._aws("wait", "stack-delete-complete")

    def aws(self, *arguments: str | Path) -> str:
        """What any command of the AWS CLI prints."""
        return self._cloud.run([tool("awscli", "aws"), *arguments])

    def _aws(self, *arguments: str) -> None:
        self.aws("cloudformation", *arguments, "--stack-name", self.stack)


class Sam:
    """Deploys an environment of `samconfig.toml` by `sam deploy`, and other parameters if asked."""

    def __init__(self, cloud: Cloud, environment: str = "dev") -> None:
        self._cloud = cloud
        self._environment = environment
        self.stack = f"langgraph-checkpoint-{environment}"
        # Without the time of the last look for a newer release, sam asks the network for one.
        settings = cloud.home / ".aws-sam" / "metadata.json"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(json.dumps({"lastVersionCheck": time.time()}))

    def deploy(self, **parameters: str) -> None:
        overrides = [f"{key}={value}" for key, value in parameters.items()]
        self._sam(
            *("deploy", "--config-env", self._environment, "--no-confirm-changeset"),
            *(("--parameter-overrides", *overrides) if overrides else ()),
        )

    def delete(self) -> None:
        self._sam("delete", "--no-prompts", "--stack-name", self.stack, "--region", REGION)

    def _sam(self, *arguments: str) -> None:
        self._cloud.run(
            [tool("sam", "sam"), *arguments], SAM_CLI_TELEMETRY="0", SAM_CLI_POLL_DELAY="0.1"
        )


class Api:
    """Deploys by the API's calls, without change sets, and only once."""

    stack = "chats"

    def __init__(self, cloud: Cloud) -> None:
        self._client = cloud.client("cloudformation")

    def deploy(self, **parameters: str) -> None:
        self._client.create_stack(
            StackName=self.stack,
            TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )

    def delete(self) -> None:
        self._client.delete_stack(StackName=self.stack)


@contextmanager
def run_ministack(home: Path) -> Iterator[Cloud]:
    """A ministack server that ends with the block."""
    process, cloud = _start(home)
    try:
        yield cloud
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


def _start(home: Path) -> tuple[subprocess.Popen[bytes], Cloud]:
    log = home / "ministack.log"
    # Another process may take the free port before the server does.
    for _ in range(_PORT_TRIES):
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [tool("ministack", "ministack")],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(home),
                    "TMPDIR": str(home),
                    "BIND_HOST": "127.0.0.1",
                    "GATEWAY_PORT": str(port),
                    "MINISTACK_REGION": REGION,
                    "SERVICES": "cloudformation,dynamodb,iam,s3,sts",
                },
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{port}"
        if _answers(process, f"{url}/_ministack/health"):
            return process, Cloud(url, home)
        process.kill()
        process.wait()
    raise RuntimeError(f"ministack did not start:\n{log.read_text()}")


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


@contextmanager
def run_moto(home: Path) -> Iterator[Cloud]:
    """moto's server in a thread, that ends with the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Cloud(f"http://{host}:{port}", home)
    finally:
        server.stop()
