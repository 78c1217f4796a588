"""The driver of the timed workloads: all savers take their steps in turn.

Each saver has a process of its own; only one works at a time. A figure is the median of its
rounds, and two savers are compared by the rounds of one run.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from workloads import Workload

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from loopback_proxy import DelayingProxy, run_delaying_proxy

HERE = Path(__file__).resolve().parent
OURS = "ours"
STEP_SECONDS = 600
PIECE = 10
"""Turns of preparation in one step."""

Run = dict[str, Any]
Progress = Callable[[int, int], None]


class EndedError(Exception):
    """A worker's run is over before its time."""


class Worker:
    """The process of one saver, and what it has measured."""

    def __init__(
        self, python: Path, saver: str, workload: str, environment: Mapping[str, str]
    ) -> None:
        self.saver = saver
        self.error: str | None = None
        self.samples: dict[str, list[float]] = {}
        self.notes: dict[str, Any] = {}
        self.versions: dict[str, str] = {}
        self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            [python, HERE / "timing_worker.py", saver, workload],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
        )

    def ready(self) -> None:
        try:
            self.versions = self._answer(STEP_SECONDS)["versions"]
        except EndedError as error:
            self.error = str(error)

    def step(self, request: dict[str, Any], seconds: float = STEP_SECONDS) -> Run | None:
        """The figures of a step; `None` once the run has failed."""
        if self.error:
            return None
        try:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            figures: Run = self._answer(seconds)["figures"]
        except (EndedError, OSError) as error:
            self.error = str(error)
            return None
        return figures

    def sample(self, name: str, value: float) -> None:
        self.samples.setdefault(name, []).append(value)

    def close(self) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.close()
            self._process.wait(timeout=STEP_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._told.close()

    def run(self, workload: str) -> Run:
        return {
            "saver": self.saver,
            "workload": workload,
            "versions": self.versions,
            "measures": {name: median(values) for name, values in self.samples.items()},
            "samples": self.samples,
            "notes": self.notes,
            "rounds": {},
            "series": {},
            "wrong": None,
            "cold_error": None,
            "error": self.error,
        }

    def _answer(self, seconds: float) -> Run:
        overdue = threading.Event()

        def stop() -> None:
            overdue.set()
            self._process.kill()

        killer = threading.Timer(seconds, stop)
        killer.start()
        try:
            assert self._process.stdout
            line = self._process.stdout.readline()
        finally:
            killer.cancel()
        if overdue.is_set():
            raise EndedError(f"no end in {seconds:.0f} s")
        answer: Run = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise EndedError(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._told.seek(0)
        said = self._told.read().strip().splitlines()
        return said[-1] if said else f"exit code {self._process.wait()}"


@contextmanager
def workers(
    workload: Workload, pythons: Mapping[str, Path], environment: Mapping[str, str]
) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        team = []
        for saver, python in pythons.items():
            worker = Worker(python, saver, workload.name, environment)
            stack.callback(worker.close)
            team.append(worker)
        for worker in team:
            worker.ready()
        yield team


def measure(
    workload: Workload,
    pythons: Mapping[str, Path],
    environment: Mapping[str, str],
    progress: Progress,
    **arguments: Any,
) -> list[Run]:
    """The runs of one workload; `pythons` are those of the savers that run it."""
    plan = PLANS[workload.scenario]
    engine = environment["AWS_ENDPOINT_URL_DYNAMODB"]
    with run_delaying_proxy(engine) as proxy:
        environment = {**environment, "AWS_ENDPOINT_URL_DYNAMODB": proxy.url}
        with workers(workload, pythons, environment) as team:
            plan(team, proxy, workload.seconds, progress, **workload.arguments | arguments)
            return [worker.run(workload.name) for worker in team]


def latency(
    team: list[Worker],
    proxy: DelayingProxy,
    seconds: float,
    progress: Progress,
    *,
    turns: tuple[int, ...],
    delays: tuple[int, ...],
    durabilities: tuple[str, ...],
    rounds: int,
    step: int,
) -> None:
    """A turn of a chat that is so many turns long, at each delay."""
    cases = [
        (number, durability, delay)
        for number in range(rounds)
        for durability in durabilities
        for delay in delays
    ]
    long = {worker.saver: 0 for worker in team}
    done = 0
    for turn in turns:
        # A short chat is begun anew for each step. A long one goes on, and the steps lie on both
        # sides of the turn: it grows by less than the machine's noise.
        short = turn == turns[0]
        proxy.delay(0)
        for worker in team:
            if short:
                for number, durability, delay in cases:
                    thread = f"{turn}-{number}-{durability}-{delay}"
                    worker.step({"thread": thread, "turns": turn - 1 - step // 2})
            else:
                prepare(worker, turn - len(cases) * step // 2, long, seconds)
        for number, durability, delay in cases:
            proxy.delay(delay)
            thread = f"{turn}-{number}-{durability}-{delay}" if short else "long"
            for worker in team:
                request = {"thread": thread, "turns": step, "durability": durability}
                figures = worker.step(request)
                if figures:
                    long[worker.saver] += 0 if short else step
                    worker.sample(f"turn_{turn}_{durability}_{delay}ms", figures["ms"])
                    worker.sample(f"turn_{turn}_{durability}_{delay}ms_cpu", figures["cpu_ms"])
            done += 1
            progress(done, len(turns) * len(cases))


def prepare(worker: Worker, turns: int, long: dict[str, int], seconds: float) -> None:
    """Make the long thread so long, unless that takes a saver too long."""
    spent = 0.0
    while long[worker.saver] < turns and worker.error is None:
        piece = min(PIECE, turns - long[worker.saver])
        figures = worker.step({"thread": "long", "turns": piece})
        if figures is None:
            worker.error = f"after {long[worker.saver]} turns: {worker.error}"
            return
        long[worker.saver] += piece
        spent += figures["ms"] * piece / 1000
        if spent > seconds:
            worker.error = f"no end in {seconds:.0f} s, after {long[worker.saver]} turns"


def throughput(
    team: list[Worker],
    proxy: DelayingProxy,
    seconds: float,
    progress: Progress,
    *,
    delay: int,
    chats: int,
    turns: int,
    rounds: int,
    modes: tuple[str, ...],
) -> None:
    """Chats at once; the first, uncounted round opens connections."""
    proxy.delay(delay)
    done, total = 0, len(modes) * (rounds + 1) * len(team)
    for mode in modes:
        for number in range(rounds + 1):
            for worker in team:
                request = {"mode": mode, "chats": chats, "turns": turns if number else 1}
                figures = worker.step(request, seconds)
                if figures and number:
                    worker.sample(mode, figures["turns_per_second"])
                    worker.sample(f"{mode}_cpu", figures["cpu_ms"])
                done += 1
                progress(done, total)


def cpu(
    team: list[Worker],
    proxy: DelayingProxy,
    seconds: float,
    progress: Progress,
    *,
    turns: int,
    rounds: int,
    sources: Mapping[str, tuple[str, ...]],
    profiles: Mapping[str, tuple[int, int]],
) -> None:
    """CPU time of a saver's methods: of its own with a stub, and with what answers it else."""
    proxy.delay(0)
    for number in range(rounds):
        for worker in team:
            for source in sources[worker.saver]:
                figures = worker.step({"source": source, "turns": turns}, seconds)
                for name, value in (figures or {}).items():
                    worker.sample(f"{source}_{name}", value)
        progress(number + 1, rounds)
    for worker in team:
        if worker.saver == OURS:
            for title, (many, first) in profiles.items():
                worker.notes[title] = worker.step({"profile": many, "first": first}, seconds)


def loop(
    team: list[Worker],
    proxy: DelayingProxy,
    seconds: float,
    progress: Progress,
    *,
    size: int,
    rounds: int,
) -> None:
    """Gaps of the event loop: with the garbage collector, and (prefix `own_`) without it."""
    proxy.delay(0)
    for number in range(rounds):
        for worker in team:
            for prefix, collects in (("", True), ("own_", False)):
                figures = worker.step({"size": size, "collects": collects}, seconds) or {}
                culprits = figures.pop("culprits", {})
                worker.notes.update({prefix + call: found for call, found in culprits.items()})
                for name, value in figures.items():
                    worker.sample(prefix + name, value)
        progress(number + 1, rounds)


def memory(
    team: list[Worker],
    _proxy: DelayingProxy,
    seconds: float,
    progress: Progress,
    *,
    threads: int,
    turns: int,
) -> None:
    for worker in team:
        figures = worker.step({"threads": threads, "turns": turns}, seconds)
        for name, value in (figures or {}).items():
            worker.sample(name, value)
    progress(1, 1)


PLANS: dict[str, Callable[..., None]] = {
    "latency": latency,
    "throughput": throughput,
    "cpu": cpu,
    "loop": loop,
    "memory": memory,
}
