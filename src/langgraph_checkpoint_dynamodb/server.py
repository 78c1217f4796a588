"""The checkpointer of a LangGraph server, made from environment variables.

`langgraph.json` names it as `{"checkpointer": {"path":
"langgraph_checkpoint_dynamodb.server.checkpointer"}}`. `docs/hosts.md` describes the variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from .config.saver_config import DynamoDBConfig
from .config.table_config import DynamoDBTableConfig
from .errors import ConfigurationError, InvalidInputError
from .saver.saver import DynamoDBSaver

TABLE = "LANGGRAPH_DYNAMODB_TABLE"
STACK = "LANGGRAPH_DYNAMODB_STACK"
REGION = "LANGGRAPH_DYNAMODB_REGION"
ENDPOINT_URL = "LANGGRAPH_DYNAMODB_ENDPOINT_URL"
TTL_SECONDS = "LANGGRAPH_DYNAMODB_TTL_SECONDS"
DEPLOY = "LANGGRAPH_DYNAMODB_DEPLOY"

PREFIX = "LANGGRAPH_DYNAMODB_"
VARIABLES = (TABLE, STACK, REGION, ENDPOINT_URL, TTL_SECONDS, DEPLOY)

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_REGION = re.compile(r"[a-z0-9-]{1,63}")
_SECONDS = re.compile(r"[0-9]{1,12}")


@asynccontextmanager
async def checkpointer() -> AsyncIterator[DynamoDBSaver]:
    """A saver on the table that the environment names; closed when the server stops.

    A LangGraph server enters this once for each event loop. The variables are read then:
    `LANGGRAPH_DYNAMODB_TABLE` or `LANGGRAPH_DYNAMODB_STACK`, and optionally `…_REGION`,
    `…_ENDPOINT_URL`, `…_TTL_SECONDS` and, with a table, `…_DEPLOY`.

    Raises:
        ConfigurationError: A variable is missing, unknown, or has a value that cannot work.
        StackError: The stack is missing, not ready, or not of this package's template.
        TableMismatchError: `…_DEPLOY` found a table of this name with other keys.
        StorageError: AWS refused a call.
    """
    async with await _open(os.environ) as saver:
        yield saver


async def _open(environment: Mapping[str, str]) -> DynamoDBSaver:
    variables = {name: environment[name] for name in environment if name.startswith(PREFIX)}
    _check_names(variables)
    reach = _reach(variables)
    ttl_seconds = _ttl_seconds(variables)
    deploy = _switch(variables, DEPLOY)
    if STACK in variables:
        with _errors_name(variables, STACK, TTL_SECONDS):
            return await DynamoDBSaver.afrom_stack(
                variables[STACK], config=reach, ttl_seconds=ttl_seconds
            )
    with _errors_name(variables, TABLE, TTL_SECONDS):
        table = DynamoDBTableConfig(
            table_name=variables[TABLE],
            enable_ttl=ttl_seconds is not None,
            ttl_seconds=ttl_seconds,
        )
    saver = DynamoDBSaver(replace(reach, table_config=table))
    if deploy:
        try:
            await saver.asetup()
        except BaseException:
            await saver.aclose()
            raise
    return saver


def _check_names(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        if name not in VARIABLES:
            raise ConfigurationError(
                f"{name}={value!r}: there is no such variable; use one of {', '.join(VARIABLES)}"
            )
        if not value.strip():
            raise ConfigurationError(f"{name}={value!r}: give it a value, or remove the variable")
    if TABLE in variables and STACK in variables:
        raise ConfigurationError(
            f"{TABLE}={variables[TABLE]!r} and {STACK}={variables[STACK]!r}: the stack names its "
            "table; set one of the two"
        )
    if TABLE not in variables and STACK not in variables:
        raise ConfigurationError(
            f"{TABLE} and {STACK} are not set: set one of them, to the name of the table or of the "
            "CloudFormation stack made from template.yaml"
        )
    if STACK in variables and _switch(variables, DEPLOY):
        raise ConfigurationError(
            f"{DEPLOY}={variables[DEPLOY]!r} with {STACK}={variables[STACK]!r}: the stack has made "
            f"its table; remove {DEPLOY}"
        )


def _reach(variables: Mapping[str, str]) -> DynamoDBConfig:
    region, url = variables.get(REGION), variables.get(ENDPOINT_URL)
    if region is not None and not _REGION.fullmatch(region):
        raise ConfigurationError(
            f"{REGION}={region!r}: use the name of an AWS region, such as eu-central-1"
        )
    with _errors_name(variables, ENDPOINT_URL):
        return DynamoDBConfig(region_name=region, endpoint_url=url)


def _ttl_seconds(variables: Mapping[str, str]) -> int | None:
    value = variables.get(TTL_SECONDS)
    if value is None:
        return None
    if not _SECONDS.fullmatch(value):
        raise ConfigurationError(
            f"{TTL_SECONDS}={value!r}: use a whole number of seconds, or remove the variable for "
            "no expiry"
        )
    return int(value)


def _switch(variables: Mapping[str, str], name: str) -> bool:
    value = variables.get(name, "false")
    if value.lower() not in _SWITCHES:
        raise ConfigurationError(f"{name}={value!r}: use true or false")
    return _SWITCHES[value.lower()]


@contextmanager
def _errors_name(variables: Mapping[str, str], *names: str) -> Iterator[None]:
    """Put the variables that an argument's value comes from in front of its error."""
    try:
        yield
    except (ConfigurationError, InvalidInputError) as error:
        given = ", ".join(
            name if "@" in variables[name] else f"{name}={variables[name]!r}"  # a password's URL
            for name in names
            if name in variables
        )
        raise ConfigurationError(f"{given}: {error}") from None
