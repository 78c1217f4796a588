"""Hostile bytes: everything that reads the table, on items that were mutated.

A table in memory holds a few genuine threads. Each case changes some of its items, by bytes
or by structure, calls a method and looks at the answer: a result, or an error of ours
from the family of storage. Anything else, a call that does not end soon, and memory that
grows breaks a promise.
"""

from __future__ import annotations

import copy
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ormsgpack

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConfigurationError, StorageError
from langgraph_checkpoint_dynamodb.checkpoints import delta_history, get, put, put_writes
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing, Query
from langgraph_checkpoint_dynamodb.chunking.boundaries import digest_of
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.body import seal, unseal
from langgraph_checkpoint_dynamodb.format.compression import compress, decompress
from langgraph_checkpoint_dynamodb.maintenance import copy as copies
from langgraph_checkpoint_dynamodb.maintenance import delete, prune
from langgraph_checkpoint_dynamodb.maintenance.retention import RetentionPolicy
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace

TITLE = "40,000 tables of mutated items read"
SHORT = {"cases": 1_000}
LONG = {"cases": 40_000}
ENGINE = False

_SECONDS = 5
"""A call on a table of some dozen items takes milliseconds."""

_MEMORY = 512 << 20
"""What all cases together may add to the memory of the process, in bytes."""

_NOW = 1_800_000_000.0
_THREAD = "t"
_LONG_NS = "n" * 500

Items = dict[tuple[str, str], dict[str, Any]]


def run(endpoint: str, seed: int, cases: int) -> dict[str, int | float]:
    """Run so many cases, each on a table of its own, and count how they ended."""
    rng = random.Random(seed)
    genuine = genuine_items(rng)
    figures = {"cases": 0, "read": 0, "refused": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(cases):
        items = copy.deepcopy(genuine)
        told = [mutate(items, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        name, call = rng.choice(CALLS)
        where = f"seed {seed}, case {case}: {name} after {told}"
        figures["read" if attempt(items, call, where) else "refused"] += 1
        figures["cases"] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < _MEMORY, f"seed {seed}: memory grew by {grown} bytes"
    return figures


def attempt(items: Items, call: Callable[[FakeTable, Any], Any], where: str = "") -> bool:
    """Whether a call has an answer on these items; `False` if it is refused as it should be."""
    table = FakeTable()
    table.items = items
    with _limited(where):
        try:
            call(table, context(now=_NOW, ttl_seconds=3600))
        except (StorageError, ConfigurationError):
            return False
        except Exception as error:
            raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
    return True


@contextmanager
def _limited(where: str) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise AssertionError(f"{where}: still busy after {_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def place_of(ns: str = "") -> ThreadNamespace:
    return ThreadNamespace(_THREAD, ns)


def _put_child(table: FakeTable, surroundings: Any) -> None:
    found = table.run(get.get_tuple(surroundings, place_of(), None))
    if found is None:
        return
    checkpoint = {**found.checkpoint, "id": "9"}
    parent_id = found.checkpoint["id"]
    new = put.Put(place_of(), checkpoint, {}, parent_id, {"document": "9"})
    table.run(put.put(surroundings, new))
    assert table.run(get.get_tuple(surroundings, place_of(), "9")) is not None


def _merge(table: FakeTable, surroundings: Any) -> None:
    writes = [(f"c{index}", index) for index in range(6)]
    table.run(put_writes.put_writes(surroundings, place_of(), "4", writes, "task", "path"))


def _list(table: FakeTable, surroundings: Any) -> None:
    listing = Listing(Query(_THREAD, None, None, None, {}), None)
    while table.run(listing.page(surroundings)) is not None:
        pass


CALLS: list[tuple[str, Callable[[FakeTable, Any], Any]]] = [
    ("get_tuple", lambda table, to: table.run(get.get_tuple(to, place_of(), None))),
    ("get_tuple of 4", lambda table, to: table.run(get.get_tuple(to, place_of(), "4"))),
    ("get_tuple of a long namespace", lambda table, to: table.run(
        get.get_tuple(to, place_of(_LONG_NS), None)
    )),
    ("list", _list),
    ("get_delta_channel_history", lambda table, to: table.run(
        delta_history.get_delta_channel_history(to, place_of(), None, ["log", "document"])
    )),
    ("put", _put_child),
    ("put_writes", _merge),
    ("prune", lambda table, to: table.run(prune.prune(to, _THREAD, RetentionPolicy(last=1)))),
    ("copy_thread", lambda table, to: table.run(copies.copy_thread(to, _THREAD, "copy"))),
    ("delete_thread", lambda table, to: table.run(delete.delete_thread(to, _THREAD))),
]  # fmt: skip


def genuine_items(rng: random.Random) -> Items:
    """A thread with every kind of item that there is."""
    table = FakeTable()
    to = context(now=_NOW - 1000, ttl_seconds=3600)
    text = "".join(rng.choice("abcdefgh ") for _ in range(60_000))
    parent: str | None = None
    for number in range(6):
        values = {
            "document": text[number:],
            "messages": [text[at : at + 900] for at in range(0, 40_000 + number * 900, 900)],
            "number": number,
            "blob": rng.randbytes(2_000),
        }
        deltas = {"counters_since_delta_snapshot": {"log": (number, number)}} if number > 1 else {}
        if number == 1:
            values["log"] = [text[:3_000]]
        if number == 3:
            values.update({f"channel {at}": text[at : at + 500] for at in range(80)})
        for ns in ("", "child:1", _LONG_NS) if number in {4, 5} else ("",):
            place = place_of(ns)
            checkpoint = empty_checkpoint()
            checkpoint["id"] = str(number)
            checkpoint["channel_values"] = dict(values)
            checkpoint["channel_versions"] = {**dict.fromkeys(values, str(number)), "log": "1"}
            of_run = {"run_id": "run", **deltas}
            changed = dict.fromkeys(values, str(number))
            table.run(put.put(to, put.Put(place, checkpoint, of_run, parent, changed)))
        small = [("log", [number]), ("c1", "x"), ("__error__", "no")]
        table.run(put_writes.put_writes(to, place_of(), str(number), small, "task", "path"))
        large = [("log", text[: 20_000 + number])]
        table.run(put_writes.put_writes(to, place_of(), str(number), large, "x" * 400, "path"))
        parent = str(number)
    return table.items


# Mutations


def mutate(items: Items, rng: random.Random) -> str:
    """Change an item, and say how."""
    if not items:
        return "nothing left"
    key = rng.choice(sorted(items))
    change = rng.choice(MUTATIONS)
    change(items, key, rng)
    return f"{change.__name__} of {key[1][:80]}"


def _body(item: dict[str, Any]) -> bytes:
    return bytes(item.get("B", {}).get("B") or b"")


def flip(items: Items, key: Any, rng: random.Random) -> None:
    body = bytearray(_body(items[key]))
    for _ in range(rng.randint(1, 4)):
        if body:
            body[rng.randrange(len(body))] = rng.randrange(256)
    items[key]["B"] = {"B": bytes(body)}


def truncate(items: Items, key: Any, rng: random.Random) -> None:
    body = _body(items[key])
    items[key]["B"] = {"B": body[: rng.randint(0, len(body))]}


def extend(items: Items, key: Any, rng: random.Random) -> None:
    items[key]["B"] = {"B": _body(items[key]) + rng.randbytes(rng.randint(1, 40))}


def splice(items: Items, key: Any, rng: random.Random) -> None:
    one, other = _body(items[key]), _body(items[rng.choice(sorted(items))])
    at = rng.randint(0, len(one))
    items[key]["B"] = {"B": one[:at] + other[rng.randint(0, len(other)) :]}


def swap(items: Items, key: Any, rng: random.Random) -> None:
    other = rng.choice(sorted(items))
    items[key]["B"], items[other]["B"] = (
        items[other].get("B", {"B": b""}),
        items[key].get("B", {"B": b""}),
    )


def flip_inside(items: Items, key: Any, rng: random.Random) -> None:
    """Bytes that are compressed again, so that the msgpack within is what is wrong."""
    plain = bytearray(_plain(key, items[key]))
    for _ in range(rng.randint(1, 3)):
        if plain:
            plain[rng.randrange(len(plain))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0xDD, 0xDF))
    items[key]["B"] = {"B": _again(key, bytes(plain))}


def change_structure(items: Items, key: Any, rng: random.Random) -> None:
    """A body whose parts are of other types, sizes and numbers than they were."""
    try:
        body = ormsgpack.unpackb(_plain(key, items[key]))
    except ValueError:
        return
    if isinstance(body, list) and len(body) == 5 and rng.random() < 0.5:
        try:
            inner = ormsgpack.unpackb(body[2], option=ormsgpack.OPT_NON_STR_KEYS)
        except (ValueError, TypeError):
            inner = []
        body[2] = _packed(_changed(inner, rng))
    else:
        body = _changed(body, rng)
    items[key]["B"] = {"B": _again(key, _packed(body))}


def forge_list(items: Items, key: Any, rng: random.Random) -> None:
    """A chunk with a right digest that lists others, or itself as the last of a tree."""
    chunks = [name for name in items if name[1].startswith("S#")]
    if not chunks or not key[1].startswith("C#"):
        return
    ref = keys.chunk_digest(rng.choice(chunks)[1]) or b""
    generation = rng.choice(chunks)[1].split("#")[1]
    depth = rng.randint(1, 8)
    for _ in range(depth):
        listing = ref * rng.choice((1, 2, 50, 4096))
        if rng.random() < 0.1:
            listing += rng.randbytes(rng.choice((1, 16)))
        ref = digest_of(listing)
        sort_key = keys.chunk(int(generation) if generation.isdigit() else 0, ref)
        item = {"PK": {"S": key[0]}, "SK": {"S": sort_key}, "B": {"B": compress(listing)}}
        items[key[0], sort_key] = {**item, "T": {"N": "1"}}
    size = rng.choice((0, 1_000, 1 << 30, 1 << 62))
    levels = [b""] * rng.randint(0, 7) + [ref * rng.choice((1, 1000))]
    record = ["msgpack", size, b"", levels, b""]
    header = ormsgpack.packb([{"channel_versions": {}}, {}, None, ["document"], None])
    number = int(generation) if generation.isdigit() else 0
    written = rng.choice((0, 5, 1 << 40))
    body = [number, "msgpack", header, [record], written]
    items[key]["B"] = {"B": seal(_packed(rng.choice((body, [number, ["", *record[1:]]]))))}


def change_attribute(items: Items, key: Any, rng: random.Random) -> None:
    name = rng.choice(("B", "T", "ttl", "R", "X"))
    others: list[Any] = [{"S": "text"}, {"N": "-1"}, {"N": "1E125"}, {"NULL": True}, {"L": []}]
    items[key][name] = rng.choice([*others, {"M": {"N": {"S": "1"}}}, {"B": b""}, {"BOOL": False}])


def drop_attribute(items: Items, key: Any, rng: random.Random) -> None:
    items[key].pop(rng.choice(("B", "T", "ttl")), None)


def drop_item(items: Items, key: Any, rng: random.Random) -> None:
    del items[key]


def rename(items: Items, key: Any, rng: random.Random) -> None:
    """An item under a key that is another's, or nobody's."""
    parts = key[1].split("#")
    parts[rng.randrange(1, len(parts))] = rng.choice(
        ("", "%", "%41", "%=", "é", "9", "W", "-1", "x" * 300, "%=" + "A" * 22, "0")
    )
    made = rng.choice(("#".join(parts), key[1] + "#", key[1] + "#W#t", key[1][:-1], "C#", "S#"))
    items[key[0], made] = {**items[key], "SK": {"S": made}}


MUTATIONS = [
    *(flip, truncate, extend, splice, swap, flip_inside, change_attribute, drop_attribute),
    *(drop_item, rename, forge_list, forge_list, *[change_structure] * 6),
]


def _plain(key: Any, item: dict[str, Any]) -> bytes:
    try:
        return decompress(_body(item), 1 << 20) if _is_chunk(key) else unseal(_body(item))
    except StorageError:
        return b""


def _again(key: Any, plain: bytes) -> bytes:
    """Bytes as they are stored, with a checksum that fits."""
    return compress(plain) if _is_chunk(key) else seal(plain)


def _is_chunk(key: Any) -> bool:
    return bool(key[1].startswith("S#"))


def _packed(value: Any) -> bytes:
    return ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS)


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with a part of it replaced, taken away, or doubled."""
    if not value or not isinstance(value, list | dict) or rng.random() < 0.15:
        return _anything(rng)
    return (_changed_list if isinstance(value, list) else _changed_map)(value, rng)


def _changed_list(value: list[Any], rng: random.Random) -> list[Any]:
    at = rng.randrange(len(value))
    before, one, after = value[:at], value[at], value[at + 1 :]
    return rng.choice(
        [
            *([*before, *after], [*before, one, one, *after], [*before, _anything(rng), *after]),
            *[[*before, _changed(one, rng), *after]] * 3,
        ]
    )


def _changed_map(value: dict[Any, Any], rng: random.Random) -> dict[Any, Any]:
    name = rng.choice(list(value))
    without = {other: value[other] for other in value if other != name}
    return rng.choice(
        [
            *(without, {**value, rng.choice(("log", "document", 7, None, "")): _anything(rng)}),
            *[{**value, name: _changed(value[name], rng)}] * 2,
        ]
    )


def _anything(rng: random.Random) -> Any:
    return rng.choice(
        [
            *(None, True, False, 0, 1, -1, 1.5, 2**63, -(2**63), float("nan"), float("inf"), ""),
            *("text", "4", "5", "log", b"", b"x" * 16, b"x" * 15, [], [[]], {}, {"a": 1}, [1, 2]),
            *({"log": 1}, {"log": [1, 2]}, {"log": [-5, -(2**60)]}, "i" * 300, ["log", "log"]),
        ]
    )
