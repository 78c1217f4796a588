"""The sync driver: runs operations with boto3 clients, and calls of a round in threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

from tenacity import Retrying

from ..config.saver_config import DynamoDBConfig
from ..errors import AccessDeniedError, StorageError, ThrottledError
from ..runtime.effects import (
    DYNAMODB,
    Backoff,
    Call,
    Compute,
    ConditionFailed,
    Done,
    Effect,
    Join,
    Operation,
    Reply,
    advance,
)
from ..runtime.fork import begin_anew_after_fork
from . import aws_errors, client_config, coalescing, retries
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
        self.pacer = Pacer()
        begin_anew_after_fork(self)

    def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its result."""
        try:
            effect = advance(operation)
            while not isinstance(effect, Done):
                try:
                    answer = self._perform(effect)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    effect = advance(operation, error=error)
                else:
                    effect = advance(operation, answer)
            return effect.result
        finally:
            operation.close()

    def call(self, call: Call) -> Reply:
        """One call, with retries; `ConditionFailed` is a reply."""
        try:
            return self._try_renewed(call)
        except StorageError as error:
            if not call.retried:
                raise
            attempts = retries.Attempts(self._config, self.pacer, call, error)
        try:
            return Retrying(**attempts.policy())(attempts.begin_with_first(self._try))
        except StorageError as error:
            raise attempts.final(error) from error.__cause__

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in one of the threads in which calls of a round run at once."""
        with self._lock:  # else `close` could come between finding the threads and using them
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    client_config.MAX_CONCURRENT_CALLS, thread_name_prefix="dynamodb-saver"
                )
            return self._executor.submit(function)

    def share(self, call: Call) -> Future[Reply]:
        """Send a call with those of other operations that wait for a thread by then."""
        reply: Future[Reply] = Future()
        reply.set_running_or_notify_cancel()  # an event loop that gave up cannot cancel it
        try:
            self._gathering.add(call, reply, partial(self.submit, self._send_gathered))
        except RuntimeError:  # the interpreter ends, and starts no threads any more
            self.run(coalescing.send_shared([(call, reply)]))
        return reply

    @property
    def has_threads(self) -> bool:
        """Whether `close` may have to wait for threads."""
        return self._executor is not None

    def close(self) -> None:
        """Give back connections and threads; the next call opens them again."""
        with self._lock:
            clients, self._clients = self._clients, {}
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)
        for client in clients.values():
            client.close()

    def after_fork(self) -> None:
        """Leave connections and threads to the parent."""
        self._lock = threading.Lock()
        self._clients, self._executor = {}, None
        self._gathering = coalescing.Gathering()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Compute):
            return effect.function()
        if isinstance(effect, Backoff):
            time.sleep(random.uniform(0, retries.backoff_bound(self._config, effect.attempt)))  # noqa: S311
            return None
        if isinstance(effect, Join):
            done, _ = wait(effect.futures, timeout=client_config.JOIN_SECONDS)
            return [future in done and future.result() for future in effect.futures]
        return self._call_all(effect)

    def _send_gathered(self) -> None:
        groups = list(coalescing.groups(self._gathering.take()))
        for group in groups[1:]:
            self._in_thread(partial(self._send_group, group))
        for group in groups[:1]:
            self._send_group(group)

    def _send_group(self, group: Sequence[coalescing.PendingCall]) -> None:
        self.run(coalescing.send_shared(group))

    def _in_thread(self, function: Callable[[], None]) -> None:
        try:
            self.submit(function)
        except RuntimeError:  # the interpreter ends, and starts no threads any more
            function()

    def _call_all(self, calls: Sequence[Call]) -> list[Reply]:
        first, *others = calls
        futures = [
            self.share(call) if call.shareable else self.submit(partial(self.call, call))
            for call in others
        ]
        try:
            reply = self.share(first).result() if first.shareable else self.call(first)
        finally:
            if futures:
                wait(futures)  # all of them: an operation that is thrown an error may rely on it
        return [reply, *(future.result() for future in futures)]

    def _try_renewed(self, call: Call) -> Reply:
        """A try, and another with a new session's credentials if those had expired."""
        try:
            return self._try(call)
        except AccessDeniedError as error:
            if not (aws_errors.has_expired(error) and self._config.may_find_other_credentials):
                raise
        return self._try(call)

    def _try(self, call: Call) -> Reply:
        delay = self.pacer.delay(call)
        if delay:
            time.sleep(delay)
        client = None
        try:
            client = self._get_client(call.service)
            reply = getattr(client, call.method)(**call.params)
        except Exception as error:
            host = aws_errors.host_of(client)
            translated = aws_errors.translate(error, self._config, call, host)
            if isinstance(translated, ConditionFailed):
                return translated
            if isinstance(translated, ThrottledError):
                self.pacer.throttled(call)
            if aws_errors.has_expired(translated):
                self._drop_client(call.service, client)
            raise translated from error
        reply = aws_errors.whole(reply, self._config, call, aws_errors.host_of(client))
        self.pacer.answered(call, reply)
        return reply

    def _drop_client(self, name: str, client: Any) -> None:
        """Have the next call make a session: the credentials in a file may be others by now."""
        with self._lock:
            if self._clients.get(name) is client:
                del self._clients[name]
                self._session = None

    def _get_client(self, name: str = DYNAMODB) -> Any:
        with self._lock:
            if name not in self._clients:
                if self._session is None:
                    self._session = sync_session(self._config)
                self._clients[name] = self._session.client(
                    name, **client_config.client_arguments(self._config, name)
                )
            return self._clients[name]
