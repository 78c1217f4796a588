"""The serializer that the user chose is the one that reaches the stored bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import ERROR, RESUME

from clients import KEYS, REGION
from either import Either
from play import thread
from threads import new_checkpoint

KEY = b"0123456789abcdef"

# Noise does not compress, so what is stored unencrypted is found again byte by byte.
SECRETS = {
    name: random.Random(name).randbytes(size)
    for name, size in {
        "small value": 900,
        "large value": 60_000,
        "metadata": 2_000,
        "small write": 900,
        "large write": 60_000,
        "special write": 2_000,
    }.items()
}

Scan = Callable[[str], list[dict[str, Any]]]


def found_in(items: list[dict[str, Any]]) -> set[str]:
    """The secrets that the stored bytes give away, be it a few bytes of one."""
    stored = [
        value.encode() if isinstance(value, str) else bytes(value)
        for item in items
        for typed in item.values()
        for value in typed.values()
    ]
    return {
        name
        for name, secret in SECRETS.items()
        for start in range(0, len(secret) - 16, 16)
        if any(secret[start : start + 16] in value for value in stored)
    }


async def store_secrets(client: Either) -> Any:
    values = {name: SECRETS[name] for name in ("small value", "large value")}
    metadata = {"step": 1, "secret": SECRETS["metadata"]}
    versions = dict.fromkeys(values, "1")
    config = await client.put(thread(), new_checkpoint(**values), metadata, versions)
    writes = [(name, SECRETS[name]) for name in ("small write", "large write")]
    await client.put_writes(config, [*writes, (RESUME, SECRETS["special write"])], "task")
    await client.put_writes(config, [(ERROR, ValueError("a secret error"))], "task")
    found = await client.get_tuple(config)
    assert found.checkpoint["channel_values"] == values
    assert found.metadata == metadata
    assert len(found.pending_writes) == 4
    return config


async def test_without_encryption_the_secrets_are_there(client: Either, scan: Scan) -> None:
    await store_secrets(client)
    assert found_in(scan(client.target.config.table_config.table_name)) == set(SECRETS)


@pytest.mark.parametrize("assigned", [False, True], ids=["constructor", "assigned"])
async def test_encryption_reaches_all_that_is_stored(
    make_saver: MakeSaver, mode: str, scan: Scan, assigned: bool
) -> None:
    serde = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    saver = make_saver(mode=mode, serde=None if assigned else serde)
    if assigned:
        saver.serde = serde
    client = Either(saver, use_async=mode != "sync")
    table_name = saver.config.table_config.table_name
    config = await store_secrets(client)
    assert found_in(scan(table_name)) == set()

    reader = make_saver(mode=mode, table_name=table_name, deploy=False, serde=serde)
    found = await Either(reader, use_async=mode != "sync").get_tuple(config)
    assert found.checkpoint["channel_values"]["large value"] == SECRETS["large value"]

    # With another key nothing is read, in the cache or not.
    stranger = EncryptedSerializer.from_pycryptodome_aes(key=KEY[::-1])
    for one in (saver, make_saver(mode=mode, table_name=table_name, deploy=False)):
        one.serde = stranger
        with pytest.raises(Exception):  # noqa: B017, PT011 - the cipher's own, whichever it is
            await Either(one, use_async=mode != "sync").get_tuple(config)


class Marking(JsonPlusSerializer):
    """Writes a type of its own, and counts what it reads."""

    read = 0

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        kind, data = super().dumps_typed(obj)
        return f"marked-{kind}", data[::-1]

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        self.read += 1
        kind, stored = data
        return super().loads_typed((kind.removeprefix("marked-"), stored[::-1]))


async def test_a_serializer_of_the_user(make_saver: MakeSaver, mode: str) -> None:
    serde = Marking()
    saver = make_saver(mode=mode, serde=serde)
    await store_secrets(Either(saver, use_async=mode != "sync"))
    assert serde.read >= len(SECRETS)


async def test_a_clone_with_an_allowlist_shares_the_table(client: Either) -> None:
    saver = client.target
    clone = saver.with_allowlist([("my.module", "MyType")])
    assert type(clone) is type(saver)
    if clone is not saver:
        assert clone.serde is not saver.serde
    config = await client.put(thread(), new_checkpoint(a=1), {"step": 1}, {"a": "1"})
    assert clone.get_tuple(config) == saver.get_tuple(config)


def test_config_specs_and_get(make_saver: MakeSaver) -> None:
    saver = make_saver()
    assert saver.config_specs == []
    assert saver.get(thread()) is None
    checkpoint = new_checkpoint(a=1)
    saver.put(thread(), checkpoint, {"step": 1}, {"a": "1"})
    assert saver.get(thread()) == checkpoint


STRICT = """
import dataclasses, sys
from typing import Any, TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

@dataclasses.dataclass
class InTheSchema:
    value: int

@dataclasses.dataclass
class Elsewhere:
    value: int

class State(TypedDict, total=False):
    known: InTheSchema
    other: Any

builder = StateGraph(State)
builder.add_node("node", lambda state: {"known": InTheSchema(1), "other": [Elsewhere(2)]})
builder.add_edge(START, "node")
config = {"configurable": {"thread_id": "1"}}
endpoint_url, region_name, key, table_name = sys.argv[1:]
ours = DynamoDBSaver(
    DynamoDBConfig(
        endpoint_url=endpoint_url, region_name=region_name,
        aws_access_key_id=key, aws_secret_access_key=key,
        table_config=DynamoDBTableConfig(table_name=table_name),
    ),
    deploy=True,
)
for saver in (InMemorySaver(), ours):
    builder.compile(checkpointer=saver).invoke({}, config)
    print(builder.compile(checkpointer=saver).get_state(config).values)
ours.destroy()
"""


@pytest.mark.parametrize("strict", ["true", "false"])
def test_strict_msgpack(endpoint_url: str, strict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", strict)
    ran = subprocess.run(
        [
            *(sys.executable, "-c", STRICT, endpoint_url, REGION),
            *(KEYS["aws_access_key_id"], f"strict-{strict}-{random.randrange(10**9)}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    reference, ours = ran.stdout.splitlines()
    assert ours == reference
    assert "InTheSchema(value=1)" in ours
    assert ("Elsewhere(value=2)" in ours) is (strict == "false")
