"""Train the zstd dictionary that small items are compressed with.

Compressed bytes name their dictionary in their first byte, so a dictionary that was
released never changes: train a new one into a new file and give it a format byte
in `format/compression.py`. Run: `python scripts/train_dictionary.py OUT` with the packages of
the test group installed.

The samples are what the saver stores while typical graphs run: chats and
tool-calling agents with the metadata that common model providers return, fan-out,
interrupts and subgraphs. Text of messages is left random on purpose: the
dictionary is for the frame around it.
"""

from __future__ import annotations

import random
import sys
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import zstandard
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from moto import mock_aws

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver
from langgraph_checkpoint_dynamodb.format import body as bodies

DICTIONARY_BYTES = 8192
RANDOM = random.Random(20260101)
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def words(count: int) -> str:
    return " ".join("".join(RANDOM.choices(LETTERS, k=RANDOM.randint(2, 9))) for _ in range(count))


def uid() -> str:
    return str(uuid.UUID(int=RANDOM.getrandbits(128), version=4))


def provider_metadata() -> tuple[dict[str, Any], str]:
    tokens = RANDOM.randint(10, 900), RANDOM.randint(10, 900)
    return RANDOM.choice(
        [
            (
                {
                    "token_usage": {
                        "completion_tokens": tokens[0],
                        "prompt_tokens": tokens[1],
                        "total_tokens": sum(tokens),
                        "completion_tokens_details": {"reasoning_tokens": 0},
                        "prompt_tokens_details": {"cached_tokens": 0},
                    },
                    "model_name": "gpt-4o-mini",
                    "system_fingerprint": "fp_" + uid()[:10],
                    "finish_reason": "stop",
                    "logprobs": None,
                },
                "run--" + uid() + "-0",
            ),
            (
                {
                    "id": "msg_" + uid()[:24],
                    "model": "claude-sonnet-4",
                    "stop_reason": "end_turn",
                    "stop_sequence": None,
                    "usage": {
                        "cache_creation_input_tokens": 0,
                        "cache_read_input_tokens": 0,
                        "input_tokens": tokens[0],
                        "output_tokens": tokens[1],
                    },
                    "model_provider": "anthropic",
                },
                "run--" + uid(),
            ),
            (
                {
                    "ResponseMetadata": {"RequestId": uid(), "HTTPStatusCode": 200},
                    "stopReason": "tool_use",
                    "metrics": {"latencyMs": [RANDOM.randint(100, 5000)]},
                    "model_name": "us.anthropic.claude-sonnet-4-v1:0",
                    "model_provider": "bedrock_converse",
                },
                "run--" + uid() + "-0",
            ),
            ({}, uid()),
        ]
    )


def ai(tool_calls: list[Any] | None = None) -> AIMessage:
    metadata, message_id = provider_metadata()
    return AIMessage(
        words(RANDOM.randint(3, 60)),
        response_metadata=metadata,
        id=message_id,
        tool_calls=tool_calls or [],
        usage_metadata={"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
        if metadata
        else None,
    )


def chat_graph(node: str) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node(node, lambda _state: {"messages": [ai()]})
    builder.add_edge(START, node)
    builder.add_edge(node, END)
    return builder


def agent_graph() -> Any:
    def agent(state: MessagesState) -> dict[str, list[AnyMessage]]:
        if RANDOM.random() < 0.4 and isinstance(state["messages"][-1], ToolMessage):
            return {"messages": [ai()]}
        name = RANDOM.choice(["search", "get_weather", "calculator"])
        call = {"name": name, "args": {"query": words(3)}, "id": "call_" + uid()[:24]}
        return {"messages": [ai([{**call, "type": "tool_call"}])]}

    def tools(state: MessagesState) -> dict[str, list[AnyMessage]]:
        calls = state["messages"][-1].tool_calls  # type: ignore[union-attr]
        return {
            "messages": [
                ToolMessage(words(20), tool_call_id=call["id"], name=call["name"], id=uid())
                for call in calls
            ]
        }

    def route(state: MessagesState) -> str:
        return "tools" if state["messages"][-1].tool_calls else END  # type: ignore[union-attr]

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", tools)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", route, ["tools", END])
    builder.add_edge("tools", "agent")
    return builder


def approval_graph() -> Any:
    def plan(_state: MessagesState) -> Command[Any]:
        return Command(goto=[Send("work", {"messages": [HumanMessage(words(5))]})] * 3)

    def work(_state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [ai()]}

    def approve(_state: MessagesState) -> dict[str, list[AnyMessage]]:
        answer = interrupt({"question": words(6)})
        return {"messages": [HumanMessage(str(answer), id=uid())]}

    builder = StateGraph(MessagesState)
    builder.add_node("plan", plan, destinations=("work",))
    builder.add_node("work", work)
    builder.add_node("approve", approve)
    builder.add_edge(START, "plan")
    builder.add_edge("work", "approve")
    builder.add_edge("approve", END)
    return builder


def run_samples() -> list[bytes]:
    samples: list[bytes] = []
    pack = bodies.pack_body

    def recording_pack(body: bodies.Body) -> bytes:
        packed = pack(body)
        samples.append(packed)
        return packed

    session = boto3.Session("test", "test", region_name="us-east-1")
    with mock_aws(), patch.object(bodies, "pack_body", recording_pack):
        saver = DynamoDBSaver(DynamoDBConfig(session=session), deploy=True)
        for node in ("chat", "chatbot", "call_model", "model", "llm"):
            run_thread(chat_graph(node).compile(checkpointer=saver), turns=12)
        for _ in range(8):
            run_thread(agent_graph().compile(checkpointer=saver), turns=5)
        for _ in range(8):
            graph = approval_graph().compile(checkpointer=saver)
            config = run_thread(graph, turns=1)
            graph.invoke(Command(resume="yes"), config)
    return samples


def run_thread(graph: Any, turns: int) -> Any:
    config = {"configurable": {"thread_id": uid()}, "metadata": {"user_id": uid()}}
    for _ in range(turns):
        graph.invoke({"messages": [HumanMessage(words(12), id=uid())]}, config)
    return config


def main() -> None:
    samples = run_samples()
    dictionary = zstandard.train_dictionary(DICTIONARY_BYTES, samples, level=6)
    Path(sys.argv[1]).write_bytes(dictionary.as_bytes())
    print(f"{len(samples)} samples, {sum(map(len, samples))} bytes -> {len(dictionary)} bytes")


if __name__ == "__main__":
    main()
