"""Proxies on the loopback, each in a process of its own, so that it waits for no other interpreter.

    python tests/support/loopback_proxy.py delay http://127.0.0.1:8000
    python tests/support/loopback_proxy.py chaos http://127.0.0.1:8000 SEED

Each prints its URL and ends with its input.

`delay` holds every request back for some milliseconds. A line on standard input sets the delay in
milliseconds from then on, and is answered by the same line. It delays the bytes of each connection
in their order and reads none of them: a request is delayed once however many packets it has, and
connections do not wait for one another. Replies go through at once.

`chaos` does to requests what networks do, and to replies. When its input ends it prints how often
it did what, as JSON. By then every request that it has held back has been executed.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
HERE = Path(__file__).resolve()

LIMIT = 1 << 20
"""Bytes of a head, and of what is read ahead."""

LATEST = 2.0
"""Seconds that a request is held back at most."""

FAULTS = {
    "lost_request": 0.03,
    "lost_reply": 0.03,
    "hung_reply": 0.003,
    "cut_reply": 0.03,
    "foreign_reply": 0.02,
    "late_request": 0.04,
    "duplicated": 0.08,
    "delayed": 0.1,
}
"""How often each happens; the rest goes through as it is."""

PAGE = b"<html>proxy</html>"
FOREIGN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE
)


class Proxy:
    """A running proxy, from the process that has started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the proxy ended with exit code {self._process.wait()}")
        return line


class DelayingProxy(Proxy):
    """Holds requests back."""

    def delay(self, milliseconds: float) -> None:
        """Delay all requests from now on so long."""
        assert self._process.stdin
        self._process.stdin.write(f"{milliseconds}\n")
        self._process.stdin.flush()
        self._answer()


class ChaosProxy(Proxy):
    """Loses, cuts, delays and repeats."""

    def stop(self) -> dict[str, int]:
        """Let what was held back arrive; returns how often what was done."""
        told, _ = self._process.communicate()
        return dict(json.loads(told))


@contextmanager
def run_delaying_proxy(endpoint: str) -> Iterator[DelayingProxy]:
    process = _start("delay", endpoint)
    try:
        yield DelayingProxy(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()
        assert process.stdout
        process.stdout.close()


@contextmanager
def run_chaos_proxy(endpoint: str, seed: int) -> Iterator[ChaosProxy]:
    process = _start("chaos", endpoint, str(seed))
    try:
        yield ChaosProxy(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, HERE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _address(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    return parts.hostname or LOOPBACK, parts.port or 80


def _print_url(server: Any) -> None:
    print(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", flush=True)


# Delaying


class Delay:
    """How long requests are held back, in seconds."""

    seconds = 0.0


class Replies(asyncio.Protocol):
    """The connection to the engine: its bytes go to the client at once."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._client.close()


class Requests(asyncio.Protocol):
    """The connection of a client: its bytes go to the engine after the delay."""

    def __init__(self, host: str, port: int, delay: Delay) -> None:
        self._host, self._port, self._delay = host, port, delay
        self._loop = asyncio.get_running_loop()
        self._engine: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            engine, _ = await self._loop.create_connection(
                lambda: Replies(self._client), self._host, self._port
            )
        except OSError:
            self._client.close()
            return
        self._engine = engine
        for data in self._early:
            engine.write(data)
        if self._client.is_closing():
            engine.close()

    def data_received(self, data: bytes) -> None:
        # Handles of one time run in the order of their making, so bytes stay in theirs.
        if self._delay.seconds:
            self._loop.call_later(self._delay.seconds, self._pass, data)
        else:
            self._pass(data)

    def _pass(self, data: bytes) -> None:
        if self._engine is None:
            self._early.append(data)
        elif not self._engine.is_closing():
            self._engine.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._engine is not None:
            self._engine.close()


async def serve_delaying(endpoint: str) -> None:
    loop = asyncio.get_running_loop()
    host, port = _address(endpoint)
    delay = Delay()
    server = await loop.create_server(lambda: Requests(host, port, delay), LOOPBACK, 0)
    _print_url(server)
    # In a thread: a pipe cannot be waited for on every platform's loop.
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        delay.seconds = float(line) / 1000
        print(line.strip(), flush=True)
    server.close()


# Chaos


class Chaos:
    """Passes requests on, each to a connection of its own to the engine."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self._host, self._port = _address(endpoint)
        self._chance = random.Random(seed)
        self._late: set[asyncio.Task[Any]] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.done = Counter(requests=0)

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)  # the loop alone would let go of a task that waits
        task.add_done_callback(self._serving.discard)
        # Cancelled at the end, when a client keeps its connection.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(await message(client), back):
                pass
        back.close()

    async def drained(self) -> None:
        while self._late:
            await asyncio.wait(self._late)

    async def _one(self, request: bytes, back: asyncio.StreamWriter) -> bool:
        """Handle a request; returns whether the connection lives on."""
        names, weights = list(FAULTS), list(FAULTS.values())
        fault = self._chance.choices([*names, ""], [*weights, 1 - sum(weights)])[0]
        self.done["requests"] += 1
        if fault:
            self.done[fault] += 1
        if fault == "lost_request":
            return False
        if fault == "late_request":
            self._later(request)
            return False
        if fault == "duplicated":
            self._later(request)
        if fault == "delayed":
            await asyncio.sleep(self._chance.uniform(0, 0.2))
        reply = await self._forward(request)
        if fault == "lost_reply":
            return False
        if fault == "hung_reply":
            await asyncio.sleep(LATEST)
            return False
        if fault == "cut_reply":
            back.write(reply[: self._chance.randrange(1, len(reply))])
            return False
        back.write(FOREIGN if fault == "foreign_reply" else reply)
        await back.drain()
        return True

    def _later(self, request: bytes) -> None:
        async def send() -> None:
            await asyncio.sleep(self._chance.uniform(0, LATEST))
            await self._forward(request)

        task = asyncio.ensure_future(send())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _forward(self, request: bytes) -> bytes:
        while self._idle:
            with suppress(OSError, asyncio.IncompleteReadError):  # the engine closes idle ones
                return await self._exchange(*self._idle.pop(), request)
        return await self._exchange(
            *await asyncio.open_connection(self._host, self._port, limit=LIMIT), request
        )

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> bytes:
        writer.write(request)
        reply = await message(reader)
        self._idle.append((reader, writer))
        return reply


async def message(reader: asyncio.StreamReader) -> bytes:
    """A whole request or reply."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.lower().splitlines()]
    fields = {name: value.strip() for name, _, value in lines}
    if fields.get(b"transfer-encoding") == b"chunked":
        return head + await _chunks(reader)
    return head + await reader.readexactly(int(fields.get(b"content-length", 0)))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while not found.endswith(b"\r\n0\r\n\r\n"):
        size = await reader.readline()
        found += size + await reader.readexactly(int(size, 16) + 2)
    return found


async def serve_chaos(endpoint: str, seed: str) -> None:
    chaos = Chaos(endpoint, int(seed))
    server = await asyncio.start_server(chaos.serve, LOOPBACK, 0, limit=LIMIT)
    _print_url(server)
    # In a thread: a pipe cannot be waited for on every platform's loop.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    await chaos.drained()
    print(json.dumps(chaos.done), flush=True)


if __name__ == "__main__":
    serve: dict[str, Any] = {"delay": serve_delaying, "chaos": serve_chaos}
    asyncio.run(serve[sys.argv[1]](*sys.argv[2:]))
