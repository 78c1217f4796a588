"""Write the golden items of a format: what every later release has to read.

    python scripts/write_golden.py tests/golden/format-1.json

Run once for a format, by the release that introduces it; the file never changes afterwards. It
holds the items of a table as the saver stored them, and what the saver reads of them.
"""

from __future__ import annotations

import base64
import json
import random
import sys
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME, _DeltaSnapshot

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "support"))
from golden_table import KEY, NOW, TTL, GoldenTable, summary  # noqa: E402
from langgraph_checkpoint_dynamodb import DynamoDBSaver  # noqa: E402

CHANCE = random.Random(1)


def words(count: int) -> str:
    return " ".join(CHANCE.choice(("alpha", "beta", "gamma", "delta")) for _ in range(count))


def put(
    saver: DynamoDBSaver, thread_id: str, number: int, values: dict[str, Any], **more: Any
) -> Any:
    """Put a checkpoint with an id of its number, as a child of the one before."""
    config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": more.pop("ns", "")}}
    if number > 1:
        config["configurable"]["checkpoint_id"] = identity(number - 1)
    versions = dict.fromkeys(values, f"{number:032}.{number:016.9f}")
    versions |= dict.fromkeys(more.pop("unstored", ()), f"{number:032}.{number:016.9f}")
    checkpoint = {
        "v": 4,
        "id": identity(number),
        "ts": "2027-01-15T08:00:00+00:00",
        "channel_values": values,
        "channel_versions": versions,
        "versions_seen": {"__start__": dict(versions)},
        "updated_channels": None,
    }
    metadata = {"source": "loop", "step": number, "run_id": f"run-{number}", **more}
    return saver.put(config, checkpoint, metadata, versions)


def identity(number: int) -> str:
    return f"1f1e6a5c-bb88-689e-8021-{number:012x}"


def conversation(saver: DynamoDBSaver) -> None:
    """A chat that grows past 20 chunks, so that lists of refs are chunks too; then a window."""
    messages: list[Any] = []
    for number in range(1, 40):
        messages += [HumanMessage(words(60), id=f"h{number}")]
        messages += [AIMessage(words(200), id=f"a{number}", response_metadata={"model": "m"})]
        put(saver, "chat", number, {"messages": list(messages)})
    messages[1] = AIMessage("edited", id="a1")
    put(saver, "chat", 40, {"messages": [*messages, ToolMessage("42", tool_call_id="c", id="t")]})
    config = put(saver, "chat", 41, {"messages": messages[-11:]})
    saver.put_writes(
        config, [("messages", RemoveMessage(id="h39")), ("other", words(3000))], "task"
    )
    saver.put_writes(config, [(INTERRUPT, ["really?"])], "task", "~__pregel_pull, ask")
    for answer in ("no", "yes"):
        saver.put_writes(config, [(RESUME, [answer])], "task")


def values(saver: DynamoDBSaver) -> None:
    """Values inline and cut, a body that is cut itself, names that are kept as hashes."""
    put(saver, "values", 1, {"none": None, "number": 1.5, "bytes": CHANCE.randbytes(30_000)})
    put(saver, "values", 2, {f"channel-{n}": CHANCE.randbytes(40) for n in range(500)})
    long = "node:" + "x" * 500
    config = put(saver, "values", 9, {"inner": "hashed"}, ns=long, parents={"": identity(2)})
    saver.put_writes(config, [("inner", 1)], "task-" + "y" * 400)


def expiring(table: GoldenTable) -> None:
    """Expiry, a generation that ends, ancestors that were kept for longer, a later TTL."""
    saver = table.saver(ttl_seconds=TTL)
    text = CHANCE.randbytes(5_000)
    config = put(saver, "delta", 1, {"log": _DeltaSnapshot([text])})
    saver.put_writes(config, [("log", [CHANCE.randbytes(9_000)])], "task")
    counters = {"log": (1, 1)}
    put(saver, "delta", 2, {}, unstored=["log"], counters_since_delta_snapshot=counters)
    table.now = NOW + int(TTL * 0.7)
    newest = {"configurable": {"thread_id": "delta", "checkpoint_ns": ""}}
    saver.get_delta_channel_history(config=newest, channels=["log"])
    plain = table.saver()
    put(plain, "limited", 1, {"document": CHANCE.randbytes(8_000)})
    table.saver(ttl_seconds=TTL).apply_ttl(["limited"])


def main() -> None:
    table = GoldenTable()
    conversation(table.saver())
    values(table.saver())
    encrypted = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    put(table.saver(serde=encrypted), "encrypted", 1, {"secret": words(700), "small": 1})
    put(table.saver(fence=True), "fenced", 1, {"x": 1})
    expiring(table)
    stored = [
        {name: _text(value) for name, value in item.items()} for item in table.items_in_order()
    ]
    golden = {"format": 1, "items": stored, "reads": summary(table)}
    Path(sys.argv[1]).write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{len(stored)} items")


def _text(value: dict[str, Any]) -> dict[str, str]:
    ((kind, one),) = value.items()
    return {kind: base64.b64encode(one).decode() if kind == "B" else one}


if __name__ == "__main__":
    main()
