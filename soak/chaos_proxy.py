"""A proxy on the loopback that does to requests what networks do, and to replies.

    python soak/chaos_proxy.py http://127.0.0.1:8000 SEED

Prints its URL, and when its input ends, how often it did what, as JSON. By then every request
that it has held back has been executed.
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
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
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
    """The running proxy, from the process that has started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout
        self.url = process.stdout.readline().strip()

    def stop(self) -> dict[str, int]:
        """Let what was held back arrive; returns how often what was done."""
        told, _ = self._process.communicate()
        return dict(json.loads(told))


@contextmanager
def run_proxy(endpoint: str, seed: int) -> Iterator[Proxy]:
    process = subprocess.Popen(
        [sys.executable, Path(__file__).resolve(), endpoint, str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Proxy(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


class Chaos:
    """Passes requests on, each to a connection of its own to the engine."""

    def __init__(self, endpoint: str, seed: int) -> None:
        address = urlsplit(endpoint)
        self._host, self._port = address.hostname or LOOPBACK, address.port or 80
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


async def serve(endpoint: str, seed: int) -> None:
    chaos = Chaos(endpoint, seed)
    server = await asyncio.start_server(chaos.serve, LOOPBACK, 0, limit=LIMIT)
    print(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", flush=True)
    # In a thread: a pipe cannot be waited for on every platform's loop.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    await chaos.drained()
    print(json.dumps(chaos.done), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
