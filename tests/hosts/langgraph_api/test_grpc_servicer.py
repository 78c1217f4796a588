"""The gRPC service by which the Go server reaches a checkpointer of Python.

`langgraph dev` serves HTTP from Python itself, and refuses to prune to the latest checkpoint.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import MODULE
from google.protobuf.empty_pb2 import Empty

from langgraph_checkpoint_dynamodb import DynamoDBSaver

SETTINGS = {
    "DATABASE_URI": ":memory:",
    "REDIS_URI": "fake",
    "MIGRATIONS_PATH": "__inmem",
    "LANGGRAPH_RUNTIME_EDITION": "inmem",
    "LANGSMITH_LANGGRAPH_API_VARIANT": "local_dev",
    "LANGGRAPH_CHECKPOINTER": json.dumps({"path": MODULE}),
}


@pytest.fixture(scope="module")
def served() -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Run a test on a stub of the service, which has its checkpointer from the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        import grpc
        from langgraph_api import _checkpointer
        from langgraph_api.grpc.servicers.checkpointer import CheckpointerServicerImpl
        from langgraph_grpc_common.proto import checkpointer_pb2_grpc as service

    async def run(test: Callable[[Any], Awaitable[None]]) -> None:
        server = grpc.aio.server()
        service.add_CheckpointerServicer_to_server(CheckpointerServicerImpl(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await _checkpointer.start_checkpointer()
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await test(service.CheckpointerStub(channel))
        finally:
            await server.stop(None)
            await _checkpointer.exit_checkpointer()

    return lambda test: asyncio.run(run(test))


def test_maintenance_over_grpc(served: Any, saver: DynamoDBSaver) -> None:
    from agents import nested
    from langgraph_grpc_common.conversion.config import config_to_proto
    from langgraph_grpc_common.proto import checkpointer_pb2 as messages

    saver.setup()
    source, copy, run_id = str(uuid.uuid4()), str(uuid.uuid4()), uuid.uuid4()
    config: Any = {"configurable": {"thread_id": source}, "metadata": {"run_id": str(run_id)}}
    nested.copy(update={"checkpointer": saver}).invoke({"log": []}, config)

    def stored(thread_id: str) -> int:
        return len(list(saver.list({"configurable": {"thread_id": thread_id}})))

    async def calls(stub: Any) -> None:
        able = await stub.GetCapabilities(Empty())
        assert (able.supports_delete_thread, able.supports_prune) == (True, True)
        in_proto = config_to_proto({"configurable": {"thread_id": source, "checkpoint_ns": ""}})
        listed = await stub.List(messages.ListRequest(config=in_proto))
        assert len(listed.checkpoint_tuples) == 2  # of the root graph
        newest = await stub.GetTuple(messages.GetTupleRequest(config=in_proto))
        assert len(newest.checkpoint_tuple.pending_writes) == 1  # the interrupt

        whole = stored(source)
        await stub.CopyThread(messages.CopyThreadRequest(from_thread_id=source, to_thread_id=copy))
        assert stored(copy) == whole
        strategies = messages.PruneRequest.PruneStrategy
        keep = messages.PruneRequest(thread_ids=[copy], strategy=strategies.KEEP_LATEST)
        await stub.Prune(keep)
        assert 0 < stored(copy) < whole
        assert saver.verify(copy).ok
        everything = messages.PruneRequest(thread_ids=[copy], strategy=strategies.DELETE_ALL)
        await stub.Prune(everything)
        assert (stored(source), stored(copy)) == (whole, 0)

        await stub.CopyThread(messages.CopyThreadRequest(from_thread_id=source, to_thread_id=copy))
        await stub.DeleteThread(messages.DeleteThreadRequest(thread_id=copy))
        assert (stored(source), stored(copy)) == (whole, 0)
        await stub.DeleteForRuns(messages.DeleteForRunsRequest(run_ids=[str(run_id)]))
        assert stored(source) == 0

    served(calls)
