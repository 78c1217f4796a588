"""The sync driver: runs operations with boto3 clients, and calls of a round in threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

from ..config.saver_config import DynamoDBConfig
from ..errors import AccessDeniedError, StorageError
from ..runtime.counters import Counters
from ..runtime.effects import (
    DYNAMODB,
    S3,
    AskSaver,
    Backoff,
    Call,
    Compute,
    Done,
    Effect,
    Join,
    Operation,
    Reply,
    advance,
)
from ..runtime.fork import reset_after_fork
from . import aws_errors, client_config, coalescing, replies, retry_policy
from .metering import Meter
from .pacing import Pacer
from .sessions import sync_session

T = TypeVar("T")


class SyncDriver:
    """Runs operations on the calling thread.

    A service's client is made on first use (making a saver sends nothing and reads no
    credentials) and shared: boto3 clients are safe to use from several threads.
    """

    def __init__(self, config: DynamoDBConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._gathering = coalescing.Gathering()
        self.meter = Meter(config, Pacer())
        reset_after_fork(self)

    def run(self, operation: Operation[T], counters: Counters | None = None) -> T:
        """Run an operation to its end and return its result; count what it takes."""
        try:
            effect = advance(operation)
            while not isinstance(effect, Done):
                try:
                    answer = self._perform(effect, counters)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    effect = advance(operation, error=error)
                else:
                    effect = advance(operation, answer)
            return effect.result
        finally:
            operation.close()

    def call(self, call: Call, counters: Counters | None = None) -> Reply:
        """One call, with retries; `ConditionFailed` is a reply."""
        try:
            return self._try_renewed(call, counters)
        except StorageError as error:
            if not call.retried:
                raise
            attempts = retry_policy.Attempts(self.meter, call, error, counters)
        return attempts.run(self._try)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in one of the threads in which calls of a round run at once."""
        with self._lock:  # else `close` could come between finding the threads and using them
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    client_config.MAX_CONCURRENT_CALLS, thread_name_prefix="dynamodb-saver"
                )
            return self._executor.submit(function)

    def share(self, call: Call, counters: Counters | None = None) -> Future[Reply]:
        """Send a call in one request with pending calls of other operations."""
        reply: Future[Reply] = Future()
        reply.set_running_or_notify_cancel()  # an event loop that gave up cannot cancel it
        try:
            start = partial(self.submit, self._send_gathered)
            self._gathering.add(call, reply, start, counters)
        except RuntimeError:  # the interpreter ends, and starts no threads any more
            self._send_group([coalescing.PendingCall(call, reply, counters)])
        return reply

    @property
    def has_threads(self) -> bool:
        """Whether `close` may have to wait for threads."""
        return self._executor is not None

    def close(self) -> None:
        """Close connections and threads; the next call opens them again."""
        with self._lock:
            clients, self._clients = self._clients, {}
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)
        for client in clients.values():
            client.close()

    def after_fork(self) -> None:
        """Drop connections and threads, which belong to the parent."""
        self._lock = threading.Lock()
        self._clients, self._executor = {}, None
        self._gathering = coalescing.Gathering()

    def _perform(self, effect: Effect, counters: Counters | None) -> Any:
        if isinstance(effect, Compute):
            return effect.function()
        if isinstance(effect, Backoff):
            time.sleep(random.uniform(0, retry_policy.backoff_bound(self._config, effect.attempt)))  # noqa: S311
            return None
        if isinstance(effect, AskSaver):
            return effect.ask()
        if isinstance(effect, Join):
            wait([effect.future], timeout=client_config.JOIN_SECONDS)
            return effect.future.done() and effect.future.result()
        return self._call_all(effect, counters)

    def _send_gathered(self) -> None:
        groups = list(coalescing.groups(self._gathering.take()))
        for group in groups[1:]:
            self._in_thread(partial(self._send_group, group))
        for group in groups[:1]:
            self._send_group(group)

    def _send_group(self, group: Sequence[coalescing.PendingCall]) -> None:
        self.run(coalescing.send_shared(group), coalescing.payer(group))

    def _in_thread(self, function: Callable[[], None]) -> None:
        try:
            self.submit(function)
        except RuntimeError:  # the interpreter ends, and starts no threads any more
            function()

    def _call_all(self, calls: Sequence[Call], counters: Counters | None) -> list[Reply]:
        first, *others = calls
        futures = [
            self.share(call, counters)
            if call.shareable
            else self.submit(partial(self.call, call, counters))
            for call in others
        ]
        try:
            reply = (
                self.share(first, counters).result()
                if first.shareable
                else self.call(first, counters)
            )
        finally:
            if futures:
                wait(futures)  # all of them: an operation that is thrown an error may rely on it
        return [reply, *(future.result() for future in futures)]

    def _try_renewed(self, call: Call, counters: Counters | None) -> Reply:
        """One attempt, and a second one with a new session if the credentials have expired."""
        try:
            return self._try(call, counters)
        except AccessDeniedError as error:
            expired = aws_errors.has_expired(error.__cause__)
            if not (expired and self._config.may_find_other_credentials):
                raise
        return self._try(call, counters)

    def _try(self, call: Call, counters: Counters | None) -> Reply:
        attempt = self.meter.begin(call, counters)
        if attempt.delay:
            with attempt.waiting():
                time.sleep(attempt.delay)
        client = None
        try:
            client = self._get_client(call.service)
            if client_config.is_about_the_table(call.service):
                client_config.check_same_place(call.service, client, self._get_client())
            reply = getattr(client, call.method)(**attempt.params)
            if call.service == S3:
                reply["Body"] = reply["Body"].read()
        except Exception as error:  # noqa: BLE001 - each becomes an error of ours
            if aws_errors.needs_new_session(error):
                self._drop_client(call.service, client)
            return attempt.failed(error, client)
        return attempt.answered(reply, client)

    def _drop_client(self, name: str, client: Any) -> None:
        """Make the next call create a session, which reads credential files again.

        Args:
            name: The service.
            client: Its client; `None` if none could be made.
        """
        with self._lock:
            if self._clients.get(name) is client:
                self._clients.pop(name, None)
                self._session = None

    def _get_client(self, name: str = DYNAMODB) -> Any:
        with self._lock:
            if name not in self._clients:
                if self._session is None:
                    self._session = sync_session(self._config)
                client = self._session.client(
                    name, **client_config.client_arguments(self._config, name, self._session)
                )
                replies.watch(client)
                self._clients[name] = client
            return self._clients[name]
