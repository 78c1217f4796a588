"""The core without I/O: order of writes, replies taken whole, nothing assumed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import INTERRUPT

from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import CorruptCheckpointError, ThrottledError, UnavailableError
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.checkpoints import put_writes
from langgraph_checkpoint_dynamodb.maintenance import delete
from langgraph_checkpoint_dynamodb.runtime.context import Context
from langgraph_checkpoint_dynamodb.runtime.effects import (
    Call,
    Compute,
    ConditionFailed,
    Operation,
    advance,
)
from langgraph_checkpoint_dynamodb.storage import batches, chunk_writer
from one_thread import LARGE, PLACE, checkpoint, get, put, putting


def items_of(count: int) -> list[Any]:
    return [{"PK": {"S": "t"}, "SK": {"S": f"{index:04}"}} for index in range(count)]


def sort_keys_in(call: Call) -> list[str]:
    if call.method == "put_item":
        return [call.params["Item"]["SK"]["S"]]
    requests = call.params.get("RequestItems", {}).get(TABLE, [])
    return [request["PutRequest"]["Item"]["SK"]["S"] for request in requests]


def test_chunks_are_acknowledged_before_what_refers_to_them() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("text", LARGE)], "task", ""))
    order = [key[:2] for call in table.calls for key in sort_keys_in(call)]
    assert order == ["S#"] * order.index("C#") + ["C#"] + ["S#"] * (
        len(order) - order.index("C#") - 2
    ) + ["C#"]


def test_a_failed_chunk_keeps_the_checkpoint_from_being_sent() -> None:
    def fail_second_batch(call: Call) -> None:
        if (
            call.method == "batch_write_item"
            and sum(one.method == "batch_write_item" for one in table.calls) == 2
        ):
            raise UnavailableError("no answer")

    table = FakeTable(fail_second_batch)
    with pytest.raises(UnavailableError):
        put(table, context(), 1, text=LARGE)
    assert not [key for _, key in table.items if key.startswith("C#")]


@pytest.mark.parametrize("count", [1, 25, 26, 60, 1_000])
@pytest.mark.parametrize("unprocessed", ["first", "last", "all but one"])
def test_unprocessed_items_are_resent(count: int, unprocessed: str) -> None:
    def leave(call: Call) -> Any:
        requests = call.params["RequestItems"][TABLE]
        left = {"first": requests[:1], "last": requests[-1:], "all but one": requests[1:]}
        if len(requests) < 2:
            return None
        done = [request for request in requests if request not in left[unprocessed]]
        table._batch_write_item({"RequestItems": {TABLE: done}})
        return {"UnprocessedItems": {TABLE: left[unprocessed]}}

    table = FakeTable(leave)
    table.run(batches.put_all(context(max_resends=0), items_of(count)))
    assert len(table.items) == count


@pytest.mark.parametrize("position", range(30))
def test_one_unprocessed_item_at_any_position_is_resent(position: int) -> None:
    seen: set[str] = set()

    def leave(call: Call) -> Any:
        requests = call.params["RequestItems"][TABLE]
        key = f"{position:04}"
        left = [one for one in requests if one["PutRequest"]["Item"]["SK"]["S"] == key]
        if not left or key in seen:
            return None
        seen.add(key)
        table._batch_write_item({"RequestItems": {TABLE: [r for r in requests if r not in left]}})
        return {"UnprocessedItems": {TABLE: left}}

    table = FakeTable(leave)
    table.run(batches.put_all(context(), items_of(30)))
    assert len(table.items) == 30
    assert table.backoffs == [0]


@pytest.mark.parametrize("position", [0, 1, 99, 100, 149])
def test_one_unprocessed_key_at_any_position_is_read_again(position: int) -> None:
    table = FakeTable()
    table.run(batches.put_all(context(), items_of(150)))
    held = [items_of(150)[position]]

    def leave(call: Call) -> Any:
        wanted = call.params["RequestItems"][TABLE]["Keys"]
        if held and held[0] in wanted:
            rest = [key for key in wanted if key != held[0]]
            reply = table._batch_get_item({"RequestItems": {TABLE: {"Keys": rest}}})
            return {**reply, "UnprocessedKeys": {TABLE: {"Keys": [held.pop()]}}}
        return None

    table.fault = leave
    found = table.run(batches.get_all(context(), items_of(150), consistent=True))
    assert sorted(item["SK"]["S"] for item in found) == [f"{index:04}" for index in range(150)]


def test_what_never_drains_is_an_error_after_the_configured_resends() -> None:
    table = FakeTable(lambda call: {"UnprocessedItems": call.params["RequestItems"]})
    with pytest.raises(ThrottledError, match="left 3 of 3 items unprocessed 4 times"):
        table.run(batches.put_all(context(max_resends=3), items_of(3)))
    assert table.backoffs == [0, 1, 2]


def methods(calls: Sequence[Call]) -> list[str]:
    return [call.method for call in calls]


def test_a_parent_that_is_not_there_means_that_everything_is_written() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)
    table.items.clear()  # another process has deleted the thread
    put(table, context(), 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_a_parent_that_this_process_does_not_know_is_read_and_not_written_again() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)
    chunks = {key for key in table.items if key[1].startswith("S#")}
    sent = len(table.calls)
    put(table, context(), 2, parent=1, text=LARGE)
    # Its items, the lists of refs among its chunks, and the new item.
    assert methods(table.calls[sent:]) == ["query", "batch_get_item", "put_item"]
    assert {key for key in table.items if key[1].startswith("S#")} == chunks
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_a_channel_that_did_not_change_is_taken_over_whatever_the_caller_gives() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1, kept=LARGE, other=1)
    for step, process in ((2, around), (3, context())):
        made = checkpoint(step, kept="of no account", other=step)
        made["channel_versions"]["kept"] = "a1"
        new = puts.Put(PLACE, made, {}, f"{step - 1:08}", {"other": f"a{step}"})
        table.run(puts.put(process, new))
        found = get(table, context(), step).checkpoint["channel_values"]
        assert found == {"kept": LARGE, "other": step}


def test_a_parent_that_stands_and_lacks_a_list_of_refs_is_corrupt() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)
    before = dict(table.items)
    lose_chunks(table)
    with pytest.raises(CorruptCheckpointError, match=r"checkpoint '00000001'.*is missing"):
        put(table, context(), 2, parent=1, text=LARGE)
    assert table.items == {key: item for key, item in before.items() if key[1][0] == "C"}


def test_a_known_parent_means_that_its_chunks_are_not_sent_again() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1, text=LARGE)
    sent = len(table.calls)
    put(table, around, 2, parent=1, text=LARGE)
    assert [call.method for call in table.calls[sent:]] == ["put_item"]
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_what_was_a_pending_write_is_not_sent_again_as_state() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    table.run(put_writes.put_writes(around, PLACE, "00000001", [("text", LARGE)], "task", ""))
    chunks = {key for key in table.items if key[1].startswith("S#")}
    put(table, around, 2, parent=1, text=LARGE)
    assert {key for key in table.items if key[1].startswith("S#")} == chunks
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def computed(operation: Operation[Any], answer: Any = None) -> Any:
    """Run an operation to its next computation; returns the answer to it."""
    effect = advance(operation, answer)
    assert isinstance(effect, Compute)
    return effect.function()


def test_what_a_task_writes_while_the_checkpoint_is_encoded_is_not_sent_again() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    operation = putting(around, 2, parent=1, text=LARGE)
    encoded = computed(operation)  # it has entered, and has claimed nothing yet
    table.run(put_writes.put_writes(around, PLACE, "00000001", [("text", LARGE)], "task", ""))
    sent = len(table.calls)
    table.run(operation, encoded)
    assert [call.method for call in table.calls[sent:]] == ["put_item"]
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_what_a_task_writes_while_those_of_another_are_encoded_is_not_sent_again() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    operation = put_writes.put_writes(around, PLACE, "00000001", [("text", LARGE)], "one", "")
    encoded = computed(operation, computed(operation))
    table.run(put_writes.put_writes(around, PLACE, "00000001", [("text", LARGE)], "another", ""))
    sent = len(table.calls)
    table.run(operation, encoded)
    assert [call.method for call in table.calls[sent:]] == ["put_item"]
    found = get(table, context(), 1).pending_writes
    assert sorted(found) == [("another", "text", LARGE), ("one", "text", LARGE)]


def test_some_megabytes_are_loaded_cold_in_two_round_trips_and_small_pages() -> None:
    table, value = FakeTable(), random.Random(4).randbytes(4_000_000)
    put(table, context(), 1, text=value)
    calls, rounds = len(table.calls), table.rounds
    assert get(table, context()).checkpoint["channel_values"] == {"text": value}
    assert table.rounds - rounds == 2
    assert len(table.calls) - calls > len(value) / 250_000  # a page of a query has up to 1 MB


def test_a_thread_deleted_by_this_saver_is_no_longer_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1, text=LARGE)
    table.run(delete.delete_thread(around, "thread"))
    put(table, around, 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_every_chunk_that_is_missing_or_altered_is_named_and_nothing_older_returned() -> None:
    table = FakeTable()
    put(table, context(), 1, text="small")
    put(table, context(), 2, text=LARGE)
    chunks = {key: item for key, item in table.items.items() if key[1].startswith("S#")}
    other = next(iter(chunks.values()))["B"]
    for key, item in chunks.items():
        del table.items[key]
        with pytest.raises(
            CorruptCheckpointError,
            match=r"thread 'thread', namespace '', checkpoint '00000002'.*is missing",
        ):
            get(table, context())
        for damaged in ({"B": b"\x00altered"}, {"B": b""}, other):
            if damaged != item["B"]:
                table.items[key] = {**item, "B": damaged}
                with pytest.raises(CorruptCheckpointError, match=r"checkpoint '00000002'.*damaged"):
                    get(table, context())
        table.items[key] = item
    assert get(table, context()).checkpoint["channel_values"] == {"text": LARGE}


def test_a_task_stored_twice_at_once_keeps_the_first_value_of_each_index() -> None:
    table = FakeTable()
    writes = [("a", 1), ("b", 2)]
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("a", "first")], "task", ""))
    table.run(put_writes.put_writes(context(), PLACE, "00000001", writes, "task", ""))
    put(table, context(), 1)
    assert get(table, context()).pending_writes == [("task", "a", "first"), ("task", "b", 2)]


@pytest.mark.parametrize("item_returned", [True, False])
def test_a_merge_that_others_disturb_is_tried_again(item_returned: bool) -> None:
    table = FakeTable()
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("a", 1)], "task", ""))
    disturbed = iter([True, True])

    def disturb(call: Call) -> Any:
        if call.params.get("ConditionExpression") == "#b = :old" and next(disturbed, False):
            (old,) = table.items.values()
            return ConditionFailed(old if item_returned else None)
        return None

    table.fault = disturb
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("a", 9), ("b", 2)], "task", ""))
    put(table, context(), 1)
    assert get(table, context()).pending_writes == [("task", "a", 1), ("task", "b", 2)]


def test_a_merge_of_large_writes_keeps_both() -> None:
    table = FakeTable()
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("a", LARGE)], "task", ""))
    table.run(
        put_writes.put_writes(
            context(), PLACE, "00000001", [("a", 0), ("b", LARGE[::-1])], "task", ""
        )
    )
    put(table, context(), 1)
    assert get(table, context()).pending_writes == [
        ("task", "a", LARGE),
        ("task", "b", LARGE[::-1]),
    ]


def test_writes_whose_checkpoint_is_not_there_yet_are_passed_over() -> None:
    table = FakeTable()
    put(table, context(), 1, text="old")
    table.run(put_writes.put_writes(context(), PLACE, "00000002", [("a", 1)], "task", ""))
    table.run(put_writes.put_writes(context(), PLACE, "00000003", [("a", 1)], "task", ""))
    assert get(table, context()).checkpoint["id"] == "00000001"
    put(table, context(), 2, text="new")
    found = get(table, context())
    assert (found.checkpoint["id"], found.pending_writes) == ("00000002", [("task", "a", 1)])


def test_a_checkpoint_found_gone_is_no_longer_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1, text=LARGE)
    table.items.clear()  # another process has deleted the thread
    assert get(table, around, 1) is None
    put(table, around, 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_a_chunk_that_an_eventually_consistent_read_does_not_see_yet_is_read_again() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)

    def lag(call: Call) -> Any:
        if call.method == "batch_get_item":
            consistent = call.params["RequestItems"][TABLE]["ConsistentRead"]
        else:
            consistent = call.params["ConsistentRead"]
        if consistent:
            return None
        return {"Items": [], "Responses": {}}

    table.fault = lag
    assert get(table, context()).checkpoint["channel_values"] == {"text": LARGE}


def test_checkpoints_and_writes_are_read_consistently() -> None:
    table = FakeTable()
    put(table, context(), 1, text=LARGE)
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("a", 1)], "task", ""))
    sent = len(table.calls)
    get(table, context())
    reads = [call for call in table.calls[sent:] if call.method == "query"]
    bounds = [call.params["ExpressionAttributeValues"][":low"]["S"][:2] for call in reads]
    assert [call.params["ConsistentRead"] for call in reads] == [low != "S#" for low in bounds]
    assert bounds == ["#c", "C#", "S#", "S#"]  # the newest, with what 0.1.3 stored


def lose_chunks(table: FakeTable) -> None:
    """As a prune by another process does, later, with chunks that nothing refers to."""
    for key in [key for key in table.items if key[1].startswith("S#")]:
        del table.items[key]


def test_chunks_of_writes_that_failed_are_not_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)

    def fail(call: Call) -> None:
        if call.method == "put_item":
            raise UnavailableError("no answer")

    table.fault = fail
    writes = [("text", LARGE)]
    with pytest.raises(UnavailableError):
        table.run(put_writes.put_writes(around, PLACE, "00000001", writes, "task", ""))
    table.fault = lambda call: None
    lose_chunks(table)
    table.run(put_writes.put_writes(around, PLACE, "00000001", writes, "task", ""))
    assert get(table, context()).pending_writes == [("task", "text", LARGE)]


def test_chunks_of_a_write_that_was_replaced_are_not_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    for value in (LARGE, "small"):
        writes = [(INTERRUPT, value)]
        table.run(put_writes.put_writes(around, PLACE, "00000001", writes, "task", ""))
    lose_chunks(table)
    put(table, around, 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_chunks_of_a_write_that_another_process_replaced_are_not_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    for process, value in ((around, LARGE), (context(), "small")):
        writes = [(INTERRUPT, value)]
        table.run(put_writes.put_writes(process, PLACE, "00000001", writes, "task", ""))
    lose_chunks(table)
    assert get(table, around).pending_writes == [("task", INTERRUPT, "small")]
    put(table, around, 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


def test_chunks_of_a_task_that_had_finished_before_are_not_relied_on() -> None:
    table, around = FakeTable(), context()
    put(table, around, 1)
    table.run(put_writes.put_writes(context(), PLACE, "00000001", [("text", "first")], "task", ""))
    table.run(put_writes.put_writes(around, PLACE, "00000001", [("text", LARGE)], "task", ""))
    lose_chunks(table)
    put(table, around, 2, parent=1, text=LARGE)
    assert get(table, context(), 2).checkpoint["channel_values"] == {"text": LARGE}


# Chunks that are to live longer

TTL = 600


def at(seconds: float, shared: Context | None = None) -> Context:
    """The context of a call so much later; of a new process unless one's is given."""
    # Just before a boundary of generations, so that the next put needs a later one.
    made = context(ttl_seconds=TTL, now=context().now // TTL * TTL + TTL - 1 + seconds)
    return made if shared is None else replace(made, cache=shared.cache, in_flight=shared.in_flight)


def put_unchanged(table: FakeTable, around: Context, text: Any) -> None:
    """Put step 2, in which `text` has not changed since step 1."""
    made = checkpoint(2, text=text, other=2)
    made["channel_versions"]["text"] = "a1"
    new = puts.Put(PLACE, made, {}, "00000001", {"other": "a2"})
    table.run(puts.put(around, new))


def generations(table: FakeTable) -> dict[str, int]:
    """How many chunks each generation has."""
    return Counter(key.split("#")[1] for _, key in table.items if key.startswith("S#"))


@pytest.mark.parametrize("knows", [True, False])
def test_chunks_that_would_go_too_soon_are_copied_and_not_made_anew(knows: bool) -> None:
    table, around = FakeTable(), at(0)
    put(table, around, 1, text=LARGE)
    ((first, count),) = generations(table).items()
    later = at(TTL // 2, around if knows else None)
    put_unchanged(table, later, "of no account")
    ((second, copied),) = (generations(table) - Counter({first: count})).items()
    assert copied == count
    assert int(second) >= later.now + TTL > int(first) >= around.now + TTL
    moved = [item for (_, key), item in table.items.items() if key.startswith(f"S#{second}#")]
    assert {item["ttl"]["N"] for item in moved} == {second}
    assert {item["T"]["N"] for item in moved} == {str(int(later.now))}
    # DynamoDB deletes what has expired.
    for key, item in list(table.items.items()):
        if item["ttl"]["N"] == first:
            del table.items[key]
    found = get(table, at(TTL + 10), 2)
    assert found.checkpoint["channel_values"] == {"text": LARGE, "other": 2}


def test_a_parent_deleted_before_its_chunks_are_copied_means_that_all_is_written() -> None:
    table, around = FakeTable(), at(0)
    put(table, around, 1, text=LARGE)
    table.items.clear()  # another process has deleted the thread
    later = at(TTL // 2, around)
    put_unchanged(table, later, LARGE)
    assert get(table, later, 2).checkpoint["channel_values"] == {"text": LARGE, "other": 2}
    assert get(table, at(TTL // 2), 2).checkpoint["channel_values"]["text"] == LARGE


def test_a_parent_that_stands_and_lacks_chunks_to_copy_is_corrupt() -> None:
    table, around = FakeTable(), at(0)
    put(table, around, 1, text=LARGE)
    chunks = [key for key in table.items if key[1].startswith("S#")]
    del table.items[chunks[-1]]
    with pytest.raises(CorruptCheckpointError, match="is missing"):
        put_unchanged(table, at(TTL // 2, around), LARGE)
    assert ("thread", "C##00000002") not in table.items


@pytest.mark.parametrize("count", [0, 1, 400, 401, 1_000])
def test_any_number_of_chunks_is_copied_and_what_is_missing_is_named(count: int) -> None:
    table, around = FakeTable(), at(0)
    data = {number.to_bytes(16, "big"): bytes([number % 251]) * 20 for number in range(count)}
    scope, target = ("thread", 7), ("thread", 9)
    with around.in_flight.operation(scope, around.now):
        table.run(chunk_writer.store(around, scope, data, frozenset()))
    refs = frozenset((7, digest) for digest in data) | {(9, bytes(16))}  # is there already
    table.run(chunk_writer.move(around, target, refs))
    assert generations(table) == ({"7": count, "9": count} if count else {})
    before = dict(table.items)
    with pytest.raises(CorruptCheckpointError, match=r"thread 'thread': chunk 'S#7#.*missing"):
        table.run(chunk_writer.move(around, target, refs | {(7, b"m" * 16)}))
    assert table.items == before


def test_a_put_that_failed_continues_after_the_chunks_that_it_stored() -> None:
    """When it is repeated by the same process; only the part in progress is written again."""
    table, around = FakeTable(), context()
    value = random.Random(7).randbytes(12_000_000)
    sent: Counter[str] = Counter()
    allowed = [60]

    def count(call: Call) -> None:
        if call.method != "batch_write_item":
            return
        if not allowed[0]:
            raise ThrottledError("no capacity")
        allowed[0] -= 1
        for request in call.params["RequestItems"][TABLE]:
            sent[request["PutRequest"]["Item"]["SK"]["S"]] += 1

    table.fault = count
    with pytest.raises(ThrottledError):
        put(table, around, 1, blob=value)
    before = len(sent)
    allowed[0] = 10_000
    put(table, around, 1, blob=value)
    assert before > 200
    assert sum(count > 1 for count in sent.values()) <= 100
    assert get(table, context()).checkpoint["channel_values"] == {"blob": value}
