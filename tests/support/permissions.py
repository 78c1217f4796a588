"""AWS actions: those the documentation lists for each method, and those that are called."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import langgraph_checkpoint_dynamodb
from capacity import events_of
from langgraph_checkpoint_dynamodb.drivers import aio, sync
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation

PAGE = Path(__file__).parents[2] / "docs" / "infrastructure.md"
_PACKAGE = Path(langgraph_checkpoint_dynamodb.__file__).parent
_ACTIONS = {"BatchExecuteStatement": "PartiQLInsert"}
"""Those that are not named as the call: this is for the only statement that savers send."""
_ACTION = re.compile(r"`([a-z0-9-]+:[A-Z][A-Za-z]+)`")

METHODS = {
    "get_tuple": "get_tuple",
    "Listing.page": "list",
    "get_delta_channel_history": "get_delta_channel_history",
    "put": "put",
    "put_writes": "put_writes",
    "send_shared": "put",
    "open_connection": "warm",
    "delete_thread": "delete_thread",
    "copy_thread": "copy_thread",
    "prune": "prune",
    "delete_for_runs": "delete_for_runs",
    "Verification.next_thread": "verify",
    "storage": "storage",
    "existing_table": "cli",
    "task_paths": "cli",
    "attempt": "cli",
    "prune_thread": "prune",
    "ThreadScan.next": "cli",
    "TtlApplication.next_thread": "apply_ttl",
    "Migration.next_thread": "migrate",
    "Page.read": "list_threads",
    "ThreadPruning.next_thread": "prune_threads",
    "_Export.write_next": "export_threads",
    "OwnerErasure.next_thread": "erase_owner",
    "OwnerErasure.report": "erase_owner",
    "set_thread": "set_thread",
    "ThreadIndexing.next_thread": "index_threads",
    "deploy": "deploy=True",
    "TableProvisioning._deploy": "deploy=True",
    "TableProvisioning._plan": "plan",
    "TableProvisioning._destroy": "destroy",
    "_config_of_stack": "from_stack",
    "plan": "plan",
    "destroy": "destroy",
    "saver_config": "from_stack",
}
"""The saver's method that each operation serves."""


def action_of(service: str, operation: str) -> str:
    """The IAM action of an API call; `operation` as botocore or as its client names it."""
    name = operation if operation[0].isupper() else operation.title().replace("_", "")
    return f"{service}:{_ACTIONS.get(name, name)}"


def documented() -> dict[str, set[str]]:
    """The actions that the page lists for each method and variant."""
    (table,) = re.findall(r"<!-- actions -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    return {
        name.strip(): set(_ACTION.findall(actions))
        for names, actions in rows
        for name in names.split(", ")
    }


def documented_of_methods() -> dict[str, set[str]]:
    """The same, with all variants of a method taken together."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, actions in documented().items():
        (method, *_) = re.findall(r"`([a-z_]+(?:=True)?)", name)
        found[method] |= actions
    return found


class Calls:
    """What savers call, by the method whose operation asks for it."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()
        """Operations, and the actions that they asked for."""

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what the drivers are asked for, whatever client they then call."""
        with pytest.MonkeyPatch.context() as patch:
            for driver in (sync, aio):
                patch.setattr(driver, "advance", self._watched(driver.advance))
            yield

    def _watched(self, advance: Callable[..., Any]) -> Callable[..., Any]:
        def advance_and_record(operation: Operation[Any], *answer: Any, **error: Any) -> Any:
            effect = advance(operation, *answer, **error)
            # Operations that a test wrote are its own affair.
            if isinstance(effect, Sequence) and _PACKAGE in Path(_file_of(operation)).parents:
                self._record(operation, effect)
            return effect

        return advance_and_record

    def _record(self, operation: Operation[Any], calls: Sequence[Call]) -> None:
        name = str(getattr(operation, "__qualname__", operation))
        self.found |= {(name, action_of(call.service, call.method)) for call in calls}

    def undocumented(self) -> list[str]:
        """The calls that the page does not list for their method."""
        allowed = documented_of_methods()
        return [
            f"{METHODS.get(name, name)} calls {action}"
            for name, action in sorted(self.found)
            if action not in allowed.get(METHODS.get(name, name), ())
        ]


def _file_of(operation: Operation[Any]) -> str:
    code = getattr(operation, "gi_code", None)
    return str(code.co_filename) if code is not None else ""


class Wire:
    """What goes out of the sessions it watches, while it is open."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._open = False

    def watch(self, session: Any) -> Any:
        events_of(session).register("provide-client-params", self._record)
        return session

    @contextmanager
    def open(self) -> Iterator[None]:
        self._open = True
        yield
        self._open = False

    @property
    def actions(self) -> set[str]:
        return {action for action, _ in self.requests}

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._open:
            service = model.service_model.service_name
            self.requests.append((action_of(service, model.name), params))
