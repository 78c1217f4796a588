"""A proxy on the loopback that holds every request back for some milliseconds.

    python benchmarks/proxy.py http://127.0.0.1:8000

Prints its URL. A line on standard input sets the delay in milliseconds from then on, and is
answered by the same line; the proxy ends with the input. It delays the bytes of each
connection in their order and reads none of them: a request is delayed once however many
packets it has, and connections do not wait for one another. Replies go through at once.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
HERE = Path(__file__).resolve()


class Proxy:
    """The running proxy, from the process that has started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._answer()

    def delay(self, milliseconds: float) -> None:
        """Delay all requests from now on so long."""
        assert self._process.stdin
        self._process.stdin.write(f"{milliseconds}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the proxy ended with exit code {self._process.wait()}")
        return line


@contextmanager
def run_proxy(endpoint: str) -> Iterator[Proxy]:
    """A proxy in a process of its own, so that it waits for no interpreter but its own."""
    process = subprocess.Popen(
        [sys.executable, HERE, endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Proxy(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()
        assert process.stdout
        process.stdout.close()


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


async def serve(endpoint: str) -> None:
    loop = asyncio.get_running_loop()
    address = urlsplit(endpoint)
    host, port = address.hostname or LOOPBACK, address.port or 80
    delay = Delay()
    server: Any = await loop.create_server(lambda: Requests(host, port, delay), LOOPBACK, 0)
    print(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", flush=True)
    # In a thread: a pipe cannot be waited for on every platform's loop.
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        delay.seconds = float(line) / 1000
        print(line.strip(), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
