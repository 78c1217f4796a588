"""A copied thread's metadata names the copy where it named the source, and all else is equal."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from clock import later
from either import Either
from langgraph_checkpoint_dynamodb import ConflictError
from threads import LARGE, config_of, load_all, put

SOURCE, TARGET = "5a8d0b3c-source", "c1f7e2d4-target"

METADATA: dict[str, tuple[Any, Any]] = {
    "the source": ({"thread_id": SOURCE}, {"thread_id": TARGET}),
    "nested": (
        {"configurable": {"thread_id": SOURCE, "user": "u"}, "thread_id": "other"},
        {"configurable": {"thread_id": TARGET, "user": "u"}, "thread_id": "other"},
    ),
    "another thread": ({"thread_id": "another"}, {"thread_id": "another"}),
    "within a text": ({"thread_id": f"{SOURCE}!", "note": SOURCE},) * 2,
    "none": ({"step": 1},) * 2,
    "of another type": ({"thread_id": [SOURCE], "configurable": SOURCE},) * 2,
    "a bool": ({"thread_id": True},) * 2,
}


@pytest.fixture(params=["plain", "encrypted"])
def copier(make_saver: Any, mode: str, request: pytest.FixtureRequest) -> Either:
    key = b"0123456789abcdef"
    encrypts = request.param == "encrypted"
    serde = EncryptedSerializer.from_pycryptodome_aes(key=key) if encrypts else None
    return Either(make_saver(mode=mode, serde=serde), use_async=mode != "sync")


def as_of(source: Any, metadata: Any) -> Any:
    """A checkpoint as the copy should have it."""
    config = config_of(TARGET, **without_thread(source.config))
    parent = source.parent_config and config_of(TARGET, **without_thread(source.parent_config))
    return source._replace(config=config, metadata=metadata, parent_config=parent)


def without_thread(config: Any) -> Any:
    return {name: value for name, value in config["configurable"].items() if name != "thread_id"}


@pytest.mark.parametrize("case", METADATA)
async def test_metadata_names_the_copy(copier: Either, case: str) -> None:
    before, after = METADATA[case]
    await small(copier, 3, before)
    await small(copier, 1, before, ns="sub:1")
    originals = await load_all(copier, SOURCE)
    await copier.copy_thread(SOURCE, TARGET)
    assert await load_all(copier, SOURCE) == originals
    copies = await load_all(copier, TARGET)
    assert copies == [as_of(one, {**one.metadata, **after}) for one in originals]
    later(copier)
    assert (await copier.verify()).ok


@pytest.mark.parametrize(
    "ids", [(7, 8), (UUID(int=1), UUID(int=2)), ("a\x00b", "c\x00d"), ("é", "\U0010ffff")]
)
async def test_any_id_is_renamed(copier: Either, ids: Any) -> None:
    source, target = ids
    noted = source if isinstance(source, int) else str(source)
    await put(copier, config_of(source), {"a": 1}, {"thread_id": noted})
    await copier.copy_thread(source, target)
    (found,) = await load_all(copier, target)
    assert found.metadata["thread_id"] == str(target).replace("\x00", "")
    wanted = {"thread_id": found.metadata["thread_id"]}
    assert len(await copier.list(config_of(target), filter=wanted)) == 1


async def small(client: Either, count: int, metadata: Any, ns: str = "") -> None:
    """Checkpoints with pending writes, whose values are in chunks."""
    parent = config_of(SOURCE, checkpoint_ns=ns)
    for step in range(count):
        parent = await put(client, parent, {"document": LARGE}, {"step": step, **metadata})
        await client.put_writes(parent, [("document", LARGE[step:])], f"task-{step}")


async def large(client: Either, count: int = 3) -> None:
    """Checkpoints whose bodies are cut: of many channels, and with much metadata."""
    parent = config_of(SOURCE)
    for step in range(count):
        draw = random.Random(step)
        values = {f"channel {index}": draw.randbytes(300).hex() for index in range(60)}
        metadata = {"thread_id": SOURCE, "text": draw.randbytes(9_000).hex(), "step": step}
        parent = await put(client, parent, {**values, "document": LARGE}, metadata)


async def test_bodies_that_are_cut_leave_no_chunk_behind(copier: Either, stored: Any) -> None:
    await large(copier)
    originals = await load_all(copier, SOURCE)
    await copier.copy_thread(SOURCE, TARGET)
    copies = await load_all(copier, TARGET)
    assert copies == [as_of(one, {**one.metadata, "thread_id": TARGET}) for one in originals]
    later(copier)
    assert (await copier.verify()).ok
    before = stored(TARGET).keys()
    await copier.prune([TARGET], keep_last=10)
    assert stored(TARGET).keys() == before
    await copier.delete_thread(SOURCE)
    assert await load_all(copier, TARGET) == copies


@pytest.mark.parametrize("lost", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("make", ["small", "large"])
async def test_a_copy_that_failed_can_be_repeated(
    copier: Either, stored: Any, dynamodb: Any, lost: float, make: str
) -> None:
    if make == "small":
        await small(copier, 4, {"thread_id": SOURCE})
    else:
        await large(copier)
    await copier.copy_thread(SOURCE, TARGET)
    whole = await load_all(copier, TARGET)
    table = copier.target.config.table_config.table_name
    # Chunks are written before checkpoints.
    items = list(stored(TARGET, "C#").values())
    for item in items[: int(len(items) * lost) + 1]:
        dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("PK", "SK")})
    await copier.copy_thread(SOURCE, TARGET)
    assert await load_all(copier, TARGET) == whole


async def test_a_copy_whose_chunks_are_gone_is_repaired(
    copier: Either, stored: Any, dynamodb: Any
) -> None:
    await large(copier)
    await copier.copy_thread(SOURCE, TARGET)
    whole = await load_all(copier, TARGET)
    table = copier.target.config.table_config.table_name
    for item in stored(TARGET, "S#").values():
        dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("PK", "SK")})
    copier.target._cache.drop(lambda _: True)
    await copier.copy_thread(SOURCE, TARGET)
    assert await load_all(copier, TARGET) == whole


async def test_a_target_that_names_another_thread_is_refused(copier: Either) -> None:
    await small(copier, 1, {"thread_id": SOURCE})
    await copier.copy_thread(SOURCE, TARGET)
    found = await copier.get_tuple(config_of(TARGET))
    await copier.put(config_of(TARGET), found.checkpoint, {"thread_id": "third"}, {})
    with pytest.raises(ConflictError, match="target_thread_id"):
        await copier.copy_thread(SOURCE, TARGET)


async def test_a_copy_of_a_copy(copier: Either) -> None:
    await small(copier, 2, {"thread_id": SOURCE})
    await copier.copy_thread(SOURCE, TARGET)
    await copier.copy_thread(TARGET, "third")
    assert {one.metadata["thread_id"] for one in await load_all(copier, "third")} == {"third"}


@pytest.mark.parametrize("damage", ["body", "chunks"])
async def test_what_cannot_be_read_is_copied_as_it_is(
    client: Either, stored: Any, dynamodb: Any, damage: str
) -> None:
    await large(client)
    table = client.target.config.table_config.table_name
    if damage == "body":
        item = stored(SOURCE, "C#")[max(stored(SOURCE, "C#"))]
        dynamodb.put_item(TableName=table, Item={**item, "B": {"B": b"\x07damaged"}})
    else:
        for item in stored(SOURCE, "S#").values():
            dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("PK", "SK")})
        client.target._cache.drop(lambda _: True)
    await client.copy_thread(SOURCE, TARGET)
    bodies = {key: item["B"] for key, item in stored(SOURCE, "C#").items()}
    copies = {key: item["B"] for key, item in stored(TARGET, "C#").items()}
    assert bodies.keys() == copies.keys()
    assert any(bodies[key] == copies[key] for key in bodies)


async def test_a_copy_expires_with_its_source(make_saver: Any, mode: str, scan: Any) -> None:
    saver = make_saver(mode=mode, enable_ttl=True, ttl_seconds=86_400)
    client = Either(saver, use_async=mode != "sync")
    await large(client)
    await client.copy_thread(SOURCE, TARGET)
    table = saver.config.table_config
    found = [item for item in scan(table.table_name) if item["SK"]["S"].startswith("C#")]
    times = {
        thread_id: {
            item["SK"]["S"]: item[table.ttl_attribute]
            for item in found
            if item["PK"]["S"] == thread_id
        }
        for thread_id in (SOURCE, TARGET)
    }
    assert len(times[SOURCE]) == 3
    assert times[SOURCE] == times[TARGET]
    assert (await client.verify()).ok
    for one in await load_all(client, TARGET):
        assert one.metadata["thread_id"] == TARGET
