"""`delete_for_runs` by the index: the same outcome as by the scan, for less."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from conftest import MakeSaver

from capacity import Costs
from clock import later
from either import Either
from threads import LARGE, chain, config_of, load_all, put

RUNS = ["first", "second", "third"]


@pytest.fixture
def costs() -> Costs:
    return Costs()


@pytest.fixture
def savers(make_saver: MakeSaver, mode: str, costs: Costs) -> dict[bool, Either]:
    """A saver on a table with the index, and one on a table without."""
    return {
        index: Either(
            make_saver(mode=mode, costs=costs, enable_run_index=index, enable_thread_index=False),
            use_async=mode != "sync",
        )
        for index in (True, False)
    }


async def fill(client: Either) -> None:
    """Two threads of three runs each, a child graph, and checkpoints that no run made."""
    for thread_id in ("1", "2"):
        parent = config_of(thread_id)
        for run in RUNS:
            for step in range(2):
                values = {"document": LARGE, "step": f"{run}-{step}"}
                parent = await put(client, parent, values, {"run_id": run})
                await client.put_writes(parent, [("own", LARGE[step:])], f"{run}-{step}")
        await chain(client, thread_id, 2, ns="child:1", run_id="second")
    await chain(client, "of no run", 2)


class Left(NamedTuple):
    """What can still be read of a checkpoint; its id differs from table to table."""

    checkpoint_ns: str
    values: dict[str, Any]
    metadata: dict[str, Any]
    writes: list[Any]


async def left(client: Either) -> dict[str, list[Left]]:
    return {
        thread_id: [
            Left(
                found.config["configurable"]["checkpoint_ns"],
                found.checkpoint["channel_values"],
                found.metadata,
                found.pending_writes,
            )
            for found in await load_all(client, thread_id)
        ]
        for thread_id in ("1", "2", "of no run")
    }


def stored(scan: Any, client: Either) -> list[tuple[str, str]]:
    """Thread and kind of each item that is left."""
    items = scan(client.target.config.table_config.table_name)
    return sorted((item["PK"]["S"], item["SK"]["S"].split("#")[0]) for item in items)


async def test_the_index_finds_what_the_scan_finds(
    savers: dict[bool, Either], costs: Costs, scan: Any
) -> None:
    outcomes: dict[bool, list[Any]] = {True: [], False: []}
    for index, client in savers.items():
        await fill(client)
        whole = await left(client)
        later(client)
        gone: set[str] = set()
        for runs in ([], ["unknown"], ["second"], ["third", "first", "unknown"]):
            costs.reset()
            await client.delete_for_runs(runs)
            assert costs.calls["Scan"] == (1 if runs and not index else 0)
            gone |= {*runs}
            found = await left(client)
            assert found == {
                thread_id: [one for one in checkpoints if one.metadata.get("run_id") not in gone]
                for thread_id, checkpoints in whole.items()
            }
            outcomes[index].append((found, stored(scan, client)))
    assert outcomes[True] == outcomes[False]


async def test_a_run_is_one_query_whatever_else_is_stored(
    savers: dict[bool, Either], costs: Costs
) -> None:
    client = savers[True]
    await fill(client)
    costs.reset()
    await client.delete_for_runs(["unknown", "unheard of", "unknown"])
    assert dict(costs.calls) == {"Query": 2}
    assert costs.read_units <= 1, costs

    costs.reset()
    await client.delete_for_runs(["first"])
    # The index, then of both threads the namespace, what goes of it, and the chunks.
    assert dict(costs.calls) == {"Query": 1 + 2 + 2, "BatchWriteItem": 2}
    assert (await left(client))["1"]


async def test_a_checkpoint_of_a_run_costs_one_write_unit_more(
    savers: dict[bool, Either], costs: Costs
) -> None:
    units = {}
    for index, client in savers.items():
        costs.reset()
        await put(client, config_of("1"), {"step": 1}, {"run_id": "first"})
        await put(client, config_of("2"), {"step": 1})  # of no run, so not in the index
        units[index] = costs.write_units
    assert units == {True: 3, False: 2}
