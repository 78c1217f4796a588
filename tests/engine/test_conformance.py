"""LangGraph's own conformance suite, on each of the three ways to run the saver."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer

from langgraph_checkpoint_dynamodb import DynamoDBSaver


class SyncMethods(DynamoDBSaver):
    """Answers the suite, which is async, by the sync methods."""

    async def aget_tuple(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_tuple(*args, **kwargs)

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for found in self.list(*args, **kwargs):
            yield found

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        return self.put(*args, **kwargs)

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        self.put_writes(*args, **kwargs)

    async def adelete_thread(self, *args: Any, **kwargs: Any) -> None:
        self.delete_thread(*args, **kwargs)

    async def adelete_for_runs(self, *args: Any, **kwargs: Any) -> None:
        self.delete_for_runs(*args, **kwargs)

    async def acopy_thread(self, *args: Any, **kwargs: Any) -> None:
        self.copy_thread(*args, **kwargs)

    async def aprune(self, *args: Any, **kwargs: Any) -> None:
        self.prune(*args, **kwargs)


@pytest.mark.parametrize("share_puts", [False, True])
async def test_every_capability(make_saver: MakeSaver, mode: str, share_puts: bool) -> None:
    async def factory() -> AsyncGenerator[BaseCheckpointSaver[Any], None]:
        cls = SyncMethods if mode == "sync" else DynamoDBSaver
        yield make_saver(mode=mode, cls=cls, share_puts=share_puts)

    report = await validate(RegisteredCheckpointer(name=mode, factory=factory))

    failures = {name: result.failures for name, result in report.results.items()}
    assert failures == {capability.value: [] for capability in Capability}
    assert len(failures) == 8
    for result in report.results.values():
        assert result.detected
        assert result.passed
        assert result.tests_passed > 0
