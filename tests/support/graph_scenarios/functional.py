"""The functional API: entrypoints that remember, tasks that are not run twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt

from play import Play, in_run_context, thread


async def remembers_its_last_return(play: Play) -> None:
    def build(saver: Any) -> Any:
        @entrypoint(checkpointer=saver)
        def total(number: int, *, previous: int | None = None) -> Any:
            new = (previous or 0) + number
            return entrypoint.final(value=f"total {new}", save=new)

        return total

    for number in (1, 20, 300):
        play.restart()
        play.see(await play.graph(build).invoke(number, thread()))
    assert play.seen[-1] == "total 321"
    await play.see_thread(play.graph(build), thread())


async def many_tasks(play: Play) -> None:
    runs: Counter[int] = Counter()

    def build(saver: Any) -> Any:
        @task
        def square(number: int) -> int:
            runs[number] += 1
            return number**2

        @entrypoint(checkpointer=saver)
        @in_run_context
        def squares(count: int) -> Any:
            futures = [square(number) for number in range(count)]
            results = [future.result() for future in futures]
            return {"results": results, "approved": interrupt(f"sum is {sum(results)}")}

        return squares

    play.see(await play.graph(build).invoke(16, thread()))
    await play.see_thread(play.graph(build), thread())
    play.restart()
    result = play.see(await play.graph(build).invoke(Command(resume="fine"), thread()))
    assert result["results"] == [number**2 for number in range(16)]
    assert set(runs.values()) == {1}
    await play.see_thread(play.graph(build), thread())


async def task_fails(play: Play) -> None:
    runs: Counter[str] = Counter()
    broken = True

    def build(saver: Any) -> Any:
        @task
        def download(name: str) -> bytes | None:
            runs[name] += 1
            return name.encode() * 1000 if name else None

        @task
        def parse(size: int) -> int:
            runs["parse"] += 1
            if broken:
                raise ValueError(size)
            return size * 2

        @entrypoint(checkpointer=saver)
        @in_run_context
        def job(names: list[str]) -> int:
            pages = [download(name).result() or b"" for name in names]
            return int(parse(sum(map(len, pages))).result())

        return job

    with pytest.raises(ValueError, match="2000"):
        await play.graph(build).invoke(["a", "b", ""], thread())
    broken = False
    play.restart()
    play.see(await play.graph(build).invoke(None, thread()))
    assert runs == {"a": 1, "b": 1, "": 1, "parse": 2}
    await play.see_thread(play.graph(build), thread())


async def entrypoint_in_an_entrypoint(play: Play) -> None:
    def build(saver: Any) -> Any:
        @entrypoint(checkpointer=saver)
        @in_run_context
        def inner(name: str) -> str:
            return f"{name} says {interrupt(f'{name}?')}"

        @entrypoint(checkpointer=saver)
        @in_run_context
        def outer(names: list[str]) -> str:
            return inner.invoke(names[0])

        return outer

    play.see(await play.graph(build).invoke(["ada"], thread()))
    play.restart()
    play.see(await play.graph(build).invoke(Command(resume="yes"), thread()))
    await play.see_thread(play.graph(build), thread())


SCENARIOS = [
    remembers_its_last_return,
    many_tasks,
    task_fails,
    entrypoint_in_an_entrypoint,
]
