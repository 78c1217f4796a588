"""`verify`: read threads and report every problem; nothing is changed.

A thread may be written to during `verify`. So its chunks are read before the items that refer to
them, as in garbage collection, and a suspected problem is checked again before it is reported. A
deletion deletes checkpoints and writes before their chunks, so an item that is still stored when
its chunks are missing is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..checkpoints.listing import ThreadScan
from ..config.source_table import layout_of, writer_of
from ..errors import CorruptCheckpointError, UnsupportedFormatError
from ..format import items, keys, requests
from ..format.body import Body, Record, unpack_body
from ..format.keys import ChunkRef
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Operation
from ..runtime.lru_cache import Cache
from ..runtime.plural import counted
from ..storage import batches, chunk_reader
from ..storage.chunk_cache import chunk_key
from ..storage.chunk_reader import Chunks
from .delta_chains import Chain, Link
from .garbage_collection import referred_chunks
from .recheck import Suspects
from .retention import GRACE_SECONDS, may_be_under_way
from .verify_decoded import DecodedItem
from .verify_entry import ListedThread
from .verify_report import ProblemKind, VerifyReport

_CACHE_BYTES = 64 << 20
"""A cache of its own for each thread: the saver's would hide chunks missing from the table."""

_SHOWN = 3  # chunks in a message, of many


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What a chunk item holds; times are in epoch seconds."""

    written: float
    expiry: float
    damage: str | None


@dataclass(slots=True)
class _Namespace:
    """What has been read of one namespace."""

    name: str = ""
    chain: Chain = field(default_factory=Chain)
    stored: dict[str, Item] = field(default_factory=dict)
    """Its checkpoints by id: their keys and expiry."""
    orphans: list[Item] = field(default_factory=list)
    """Writes without a checkpoint."""


class Verification:
    """One `verify`: call `next_thread` until it returns `False`, then take the `report`."""

    def __init__(self, thread_id: str | None) -> None:
        self._asked_for = thread_id
        self._scan = ThreadScan(requests.scan_keys, thread_id)
        self.report = VerifyReport()

    def next_thread(self, context: Context) -> Operation[bool]:
        """Verify the next thread; `False` if there is none."""
        thread_id = yield from self._scan.next(context)
        if thread_id is None:
            return False
        found = yield from _Thread(context, thread_id).verify()
        if self._asked_for is not None and not found.threads:
            found = replace(found, missing=(thread_id,))
        self.report += found
        return True


class _Thread:
    """The verification of one thread."""

    def __init__(self, context: Context, thread_id: str) -> None:
        self._context = replace(context, cache=Cache(_CACHE_BYTES))
        self._thread_id = thread_id
        self._chunks: dict[ChunkRef, _Chunk] = {}
        self._referred: set[ChunkRef] = set()
        self._suspects = Suspects(context, thread_id)
        self._listed = ListedThread(context, self._suspects)
        self._namespace: tuple[str, _Namespace] = ("", _Namespace())
        self._unreadable = False
        self._count = dict.fromkeys(("checkpoints", "writes", "young", "expiring", "under_way"), 0)

    def verify(self) -> Operation[VerifyReport]:
        context = self._context
        table, thread_id = context.table, self._thread_id
        call = requests.query(table, thread_id, keys.AFTER_CHECKPOINTS, consistent=False)
        yield from batches.each_page(call, self._take_chunks)
        call = requests.query(table, thread_id, keys.UP_TO_CHECKPOINTS)
        yield from batches.each_page(call, self._take_items)
        self._close_namespace()
        yield from self._find_orphans()
        self._count["expiring"] += self._listed.check()
        problems = yield from self._suspects.confirmed()
        stored = bool(
            self._chunks or problems or self._count["checkpoints"] + self._count["writes"]
        )
        return VerifyReport(
            threads=int(stored),
            chunks=len(self._chunks),
            problems=tuple(problems),
            missing=(),
            **self._count,
        )

    # Chunks

    def _take_chunks(self, found: Sequence[Item]) -> Operation[None]:
        rest = self._listed.take_entry(found)
        chunks = self._matching(rest, lambda key: keys.chunk_ref(key) is not None)
        size = sum(map(items.body_size, chunks))
        yield Compute(lambda: self._take_all(chunks), lambda: size)

    def _take_all(self, found: Iterable[Item]) -> None:
        for item in found:
            self._take_chunk(item)

    def _take_chunk(self, item: Item) -> None:
        ref = keys.chunk_ref(items.sort_key(item))
        assert ref is not None  # noqa: S101 - `_take_chunks` passes chunks only
        _, digest = ref
        damage = None
        try:
            data = items.chunk_data(item, digest)
        except (CorruptCheckpointError, UnsupportedFormatError) as error:
            damage = str(error)
        else:
            cached = chunk_key(self._thread_id, digest)
            self._context.cache.put(cached, data, len(data))
        kept = items.kept_until(self._context, item)
        self._chunks[ref] = _Chunk(items.written_at(item), kept, damage)

    def _matching(self, found: Iterable[Item], matches: Callable[[str], bool]) -> list[Item]:
        """The items whose sort keys match; others are reported, except heads and markers."""
        matching = []
        for item in found:
            if matches(items.sort_key(item)):
                matching.append(item)
            elif not items.sort_key(item).startswith((keys.HEADS, keys.MARKER)):
                detail = f"this package makes no sort key like {items.sort_key(item)!r}"
                layout = layout_of(item)
                if layout is not None:
                    detail += f": of {writer_of(layout)}; copy its threads with migrate()"
                self._suspect(item, ProblemKind.UNKNOWN_ITEM, detail)
        return matching

    # Checkpoints and writes

    def _take_items(self, found: Sequence[Item]) -> Operation[None]:
        for item in self._matching(found, keys.is_checkpoint_or_writes):
            if items.gone(self._context, item):
                continue
            key = keys.parse(items.sort_key(item))
            if key.namespace != self._namespace[0]:
                self._close_namespace()
                name = keys.decode(key.namespace)
                self._namespace = key.namespace, _Namespace(key.namespace if name is None else name)
            if items.expired(self._context, item):  # kept for checkpoints that are rebuilt from it
                self._count["expiring"] += 1
            else:
                self._count["checkpoints" if key.task is None else "writes"] += 1
            yield from self._check(key, item)

    def _check(self, key: keys.CheckpointKey, item: Item) -> Operation[None]:
        namespace = self._namespace[1]
        if key.task is not None and key.checkpoint_id not in namespace.stored:
            namespace.orphans.append(item)
        body = yield from self._body(item)
        header: Any = None
        if body is not None:
            records = list(body.records)
            generation = items.generation(self._context, item, body.generation)
            loaded = yield from self._load(item, generation, records)
            decoded = DecodedItem(self._context, self._where(key))
            yield Compute(
                lambda: decoded.read(key, body, loaded),
                lambda: sum(record.size for record in records),
            )
            header = decoded.header
            for kind, detail in decoded.problems:
                self._suspect(item, kind, detail)
        if key.task is not None:
            return
        self._listed.take_checkpoint(key, item, body)
        if header is not None and header.checkpoint_ns is not None:
            namespace.name = header.checkpoint_ns
        namespace.stored[key.checkpoint_id] = {
            name: item[name] for name in ("PK", "SK", self._context.ttl_attribute) if name in item
        }
        namespace.chain.links[key.checkpoint_id] = self._link(key, item, header)

    def _link(self, key: keys.CheckpointKey, item: Item, header: Any) -> Link | None:
        try:
            return None if header is None else Link.of(header, self._where(key))
        except CorruptCheckpointError as error:
            self._suspect(item, ProblemKind.UNREADABLE_BODY, str(error))
            return None

    def _where(self, key: keys.CheckpointKey) -> str:
        return f"thread {self._thread_id!r}, checkpoint {key.checkpoint_id!r}"

    def _body(self, item: Item) -> Operation[Body | None]:
        suspects = len(self._suspects)
        try:
            content: Body | tuple[int, Record] = yield Compute(
                lambda: unpack_body(items.packed_body(item)), lambda: items.body_size(item)
            )
            if isinstance(content, Body):
                return content
            generation, record = content
            generation = items.generation(self._context, item, generation)
            loaded = yield from self._load(item, generation, [record])
            body = unpack_body(loaded.join(record, "a body in chunks"))
            if isinstance(body, Body):
                return body
            self._suspect(item, ProblemKind.UNREADABLE_BODY, "a body within a body")
        except (CorruptCheckpointError, UnsupportedFormatError) as error:
            if len(self._suspects) == suspects:  # else the cause has been reported
                self._suspect(item, ProblemKind.UNREADABLE_BODY, str(error))
        self._unreadable = True
        return None

    def _load(self, item: Item, generation: int, records: Sequence[Record]) -> Operation[Chunks]:
        """Read the chunks of some records, and report what is wrong with them."""
        context, thread_id = self._context, self._thread_id
        wanted = [(generation, record) for record in records]
        loaded = yield from chunk_reader.load(context, thread_id, wanted)
        refs = {ref for record in records for ref in loaded.reachable(record)}
        unseen = [(generation, ref) for ref in refs if (generation, ref) not in self._chunks]
        found = yield from batches.get_all(
            context,
            [requests.key(thread_id, keys.chunk(*ref)) for ref in unseen],
            consistent=True,
        )
        yield from self._take_chunks(found)
        problems: dict[ProblemKind, list[bytes]] = {}
        for ref in sorted(refs):
            kind = self._problem_of(item, generation, ref)
            if kind is not None:
                problems.setdefault(kind, []).append(ref)
        for kind, affected in problems.items():
            shown = ", ".join(ref.hex() for ref in affected[:_SHOWN])
            share = f"{len(affected)} of {counted(len(refs), 'chunk')}"
            more = ", …" if len(affected) > _SHOWN else ""
            self._suspect(item, kind, f"{share} of generation {generation}: {shown}{more}")
        if ProblemKind.MISSING_CHUNK in problems or ProblemKind.ALTERED_CHUNK in problems:
            self._unreadable = True
        self._referred.update((generation, ref) for ref in refs)
        return loaded

    def _problem_of(self, item: Item, generation: int, ref: bytes) -> ProblemKind | None:
        """What is wrong with a chunk that an item refers to; `None` if nothing is."""
        chunk = self._chunks.get((generation, ref))
        if chunk is None:
            elsewhere = any(digest == ref for _, digest in self._chunks)
            return ProblemKind.WRONG_GENERATION if elsewhere else ProblemKind.MISSING_CHUNK
        if chunk.damage is not None:
            return ProblemKind.ALTERED_CHUNK
        if chunk.expiry < items.kept_until(self._context, item):
            return ProblemKind.EARLY_EXPIRY
        return None

    # Whole namespaces and threads

    def _close_namespace(self) -> None:
        _, namespace = self._namespace
        newest = max(namespace.stored, default="")
        for item in namespace.orphans:
            key = keys.parse(items.sort_key(item))
            newer = key.checkpoint_id > newest
            dated = keys.made_at(key.checkpoint_id) is not None  # a refused put's id may be older
            if (newer or dated) and may_be_under_way(self._context, key.checkpoint_id):
                self._count["under_way"] += 1
            elif items.kept_until(self._context, item) < float("inf"):
                self._count["expiring"] += 1
            else:
                missing = keys.checkpoint(key.namespace, key.checkpoint_id)
                detail = f"writes of task {key.task!r} without their checkpoint"
                self._suspect(item, ProblemKind.ORPHAN_WRITES, detail, missing)
        for broken in namespace.chain.broken():
            item = namespace.stored[broken.checkpoint_id]
            expires = items.kept_until(self._context, item) < float("inf")
            if broken.checkpoint_id != newest and expires:
                self._count["expiring"] += 1  # its ancestors have expired before it
                continue
            lost = ", ".join(map(repr, sorted(broken.channels)))
            detail = f"{lost} cannot be rebuilt without the checkpoint {broken.missing_id!r}"
            ns = keys.parse(items.sort_key(item)).namespace
            missing = keys.checkpoint(ns, broken.missing_id)
            self._suspect(item, ProblemKind.CUT_CHAIN, detail, missing)

    def _find_orphans(self) -> Operation[None]:
        context = self._context
        old = []
        for ref, chunk in self._chunks.items():
            if ref in self._referred:
                continue
            if chunk.expiry < float("inf"):
                self._count["expiring"] += 1
            elif chunk.written >= context.now - GRACE_SECONDS:
                self._count["young"] += 1
            else:
                old.append(ref)
        if not old or self._unreadable:  # an unreadable item may refer to them
            return
        # Items that were put while the thread was read may refer to them too.
        referred, before = yield from referred_chunks(context, self._thread_id)
        for ref in sorted(set(old) - referred - before):
            key = requests.key(self._thread_id, keys.chunk(*ref))
            written = self._chunks[ref].written
            detail = f"nothing refers to the chunk {ref[1].hex()} of generation {ref[0]}"
            self._suspect({**key, "T": {"N": f"{written:.0f}"}}, ProblemKind.ORPHAN_CHUNK, detail)

    def _suspect(
        self, item: Item, kind: ProblemKind, detail: str, missing_key: str | None = None
    ) -> None:
        self._suspects.add(item, self._namespace[1].name, kind, detail, missing_key)
