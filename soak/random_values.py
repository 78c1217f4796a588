"""Values and messages drawn at random: of every type that a graph may put into its state."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel, Field

DOCUMENT = random.Random(0).randbytes(60_000)
WORDS = [
    "state",
    "graph",
    "node",
    "edge",
    "thread",
    "turn",
    "reply",
    "tool",
    "call",
    "answer",
    "question",
    "step",
    "fork",
]


class Color(str, Enum):
    """Equal to plain strings, and not the same."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    label: str
    tags: list[Any] = field(default_factory=list)


class Profile(BaseModel):
    name: str
    scores: dict[str, int] = Field(default_factory=dict)
    parts: list[Any] = Field(default_factory=list)


def serializer() -> JsonPlusSerializer:
    """LangGraph's own, which may read the types of this module."""
    types = [(one.__module__, one.__name__) for one in (Color, Point, Profile)]
    return JsonPlusSerializer(allowed_msgpack_modules=types)


def text(chance: random.Random, length: int | None = None) -> str:
    length = chance.choice((5, 30, 200, 200, 1_500)) if length is None else length
    words = [chance.choice(WORDS) for _ in range(length // 5 + 1)]
    return " ".join(words)[:length]


def octets(chance: random.Random) -> bytes:
    """10 B to 60 KB: new ones, or a document of which a part is new."""
    size = chance.choice((10, 100, 1_000, 8_000, 60_000))
    if chance.random() < 0.5:
        return chance.randbytes(size)
    cut = chance.randrange(size)
    return DOCUMENT[:cut] + chance.randbytes(min(size - cut, 50)) + DOCUMENT[cut + 50 : size]


def nested(chance: random.Random, depth: int = 3, *, plain: bool = False) -> Any:
    """Dicts and lists within each other, in whatever order of keys; `plain` is without enums."""
    if depth == 0 or chance.random() < 0.3:
        leaves = (None, True, 0, 1, 1.5, "", text(chance, 12), "red" if plain else Color.RED)
        return chance.choice(leaves)
    if chance.random() < 0.5:
        return [nested(chance, depth - 1, plain=plain) for _ in range(chance.randrange(4))]
    keys = chance.sample("abcdef", chance.randrange(5))
    return {key: nested(chance, depth - 1, plain=plain) for key in keys}


_VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda chance: None,
    lambda chance: chance.choice((True, False, 0, 1, -7, 2**62, 1.0, 0.1, float("inf"))),
    text,
    octets,
    nested,
    nested,
    lambda chance: {chance.randrange(99) for _ in range(4)},
    lambda chance: frozenset(chance.sample(WORDS, 3)),
    lambda chance: (1, text(chance, 9), None),
    lambda chance: chance.choice(tuple(Color)),
    lambda chance: chance.choice(tuple(Color)).value,
    lambda chance: Point(chance.randrange(9), text(chance, 9), [nested(chance, 2)]),
    lambda chance: Profile(
        name=text(chance, 9), scores={"a": chance.randrange(9)}, parts=[nested(chance, 2)]
    ),
    lambda chance: [text(chance) for _ in range(chance.choice((3, 100)))],
    lambda chance: [Point(n, "p", []) for n in range(chance.choice((2, 70)))],
)


def value(chance: random.Random) -> Any:
    return chance.choice(_VALUES)(chance)


def kwargs(chance: random.Random) -> dict[str, Any]:
    """`additional_kwargs`: mostly few, now and then nested."""
    draw = chance.random()
    if draw < 0.6:
        return {}
    made = {
        key: chance.choice(("red", 1, None, text(chance, 9))) for key in chance.sample("bac", 2)
    }
    return {**made, "deep": nested(chance, plain=draw < 0.97)} if draw > 0.8 else made


def message(chance: random.Random, message_id: str, content: str | None = None) -> BaseMessage:
    """A message of any kind."""
    make = chance.choice((_human, _human, _ai, _ai, _system, _tool, _function, _chat))
    content = text(chance) if content is None else content
    return make(chance, {"id": message_id, "content": content, "additional_kwargs": kwargs(chance)})


def _human(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    if chance.random() < 0.2:
        blocks = [{"type": "text", "text": fields["content"]}]
        blocks.append(
            {"type": "image_url", "image_url": {"url": f"https://x.test/{chance.random()}"}}
        )
        fields["content"] = blocks
    return HumanMessage(**fields, name=chance.choice((None, "ada")))


def _ai(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    if chance.random() < 0.4:
        fields["tool_calls"] = [
            {
                "name": "search",
                "args": {"q": text(chance, 9), "deep": nested(chance)},
                "id": f"c{n}",
            }
            for n in range(chance.randint(1, 3))
        ]
    if chance.random() < 0.4:
        spent = chance.randrange(500)
        fields["usage_metadata"] = {
            "input_tokens": spent,
            "output_tokens": 7,
            "total_tokens": spent + 7,
            "input_token_details": {"cache_read": chance.randrange(9)},
        }
    if chance.random() < 0.2:
        fields["content"] = [{"type": "text", "text": fields["content"], "index": 0}]
    if chance.random() < 0.3:
        fields["response_metadata"] = {"model": "m", "logprobs": [chance.random(), None]}
    return AIMessage(**fields)


def _system(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    return SystemMessage(**fields)


def _tool(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    status = chance.choice(("success", "error"))
    return ToolMessage(
        **fields, tool_call_id="c0", artifact=nested(chance, plain=True), status=status
    )


def _function(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    return FunctionMessage(**fields, name="search")


def _chat(chance: random.Random, fields: dict[str, Any]) -> BaseMessage:
    return ChatMessage(**fields, role=chance.choice(("critic", "user")))


def restyled(chance: random.Random, old: BaseMessage, *, enums: bool) -> BaseMessage:
    """A message that equals another and is not the same: other types, another order of keys."""
    items = [("b", "red"), ("a", "blue"), *old.additional_kwargs.items()]
    items = list(dict(items).items())
    chance.shuffle(items)
    styled = {key: _other_type(chance, one, enums=enums) for key, one in items}
    return old.model_copy(update={"additional_kwargs": styled})


def _other_type(chance: random.Random, one: Any, *, enums: bool) -> Any:
    if one in ("red", "blue") and isinstance(one, str):
        return Color(one) if enums else Color(one).value
    if isinstance(one, int | float) and one in (0, 1):
        return chance.choice((bool(one), int(one), float(one)))
    return one
