"""Messages that hypothesis draws, of every type and with every kind of field."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

SERDE = JsonPlusSerializer()

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
fields = st.dictionaries(st.text(min_size=1), plain, max_size=3)
contents = st.text(max_size=2000) | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=900)}), max_size=3
)
ids = st.none() | st.sampled_from([f"id-{number}" for number in range(30)])
calls = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(), "args": fields, "id": ids, "type": st.just("tool_call")}
    ),
    max_size=2,
)
usage = st.none() | st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 9), "output_tokens": st.just(2), "total_tokens": st.just(2)}
)


def made_of(kind: type[BaseMessage], **parts: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries(parts).map(lambda given_parts: kind(**given_parts))


some_message = st.one_of(
    made_of(HumanMessage, content=contents, id=ids, additional_kwargs=fields),
    made_of(SystemMessage, content=contents, id=ids, name=st.none() | st.text()),
    made_of(
        AIMessage,
        content=contents,
        id=ids,
        tool_calls=calls,
        usage_metadata=usage,
        response_metadata=fields,
    ),
    made_of(ToolMessage, content=contents, id=ids, tool_call_id=st.text(), artifact=plain),
    made_of(ChatMessage, content=contents, id=ids, role=st.text()),
    made_of(FunctionMessage, content=contents, id=ids, name=st.text()),
    made_of(RemoveMessage, id=st.text()),
)


def state_of(message: Any) -> Any:
    """Everything that an object of a message holds, types of numbers included."""
    return (
        type(message),
        repr(message.__dict__),
        message.__pydantic_fields_set__,
        message.__pydantic_extra__,
        message.__pydantic_private__,
    )


def by_serde(value: Any) -> Any:
    return SERDE.loads_typed(SERDE.dumps_typed(value))
