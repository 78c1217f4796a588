"""Both drivers, with toy operations: answers, errors, cancellation, retries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ReadTimeoutError,
    UndefinedModelAttributeError,
)
from botocore.parsers import ResponseParserError

from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConfigurationError,
    DynamoDBConfig,
    RequestRejectedError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.drivers import aio, client_config
from langgraph_checkpoint_dynamodb.drivers import sync as sync_driver
from langgraph_checkpoint_dynamodb.drivers.aio import AsyncDriver
from langgraph_checkpoint_dynamodb.drivers.sync import SyncDriver
from langgraph_checkpoint_dynamodb.runtime.effects import (
    Backoff,
    Call,
    Compute,
    ConditionFailed,
    Operation,
)
from sessions import META, with_request_id

SECRET = "very-secret-key"
Script = Callable[..., Any]


class ScriptedClient:
    """A client whose `work` method plays a script; `async` like aiobotocore's if asked."""

    meta = META

    def __init__(self, script: Script, *, use_async: bool) -> None:
        self.calls: list[dict[str, Any]] = []
        self._script = script
        self._lock = threading.Lock()
        self.work = self._async_work if use_async else self._work

    def _work(self, **params: Any) -> Any:
        with self._lock:
            self.calls.append(params)
        result = self._script(**params)
        if isinstance(result, Exception):
            raise result
        return with_request_id({"result": result})

    async def _async_work(self, **params: Any) -> Any:
        await asyncio.sleep(0)
        return self._work(**params)

    def close(self) -> None:
        pass


class Runner:
    """Runs an operation by one of the drivers, on a scripted client."""

    def __init__(self, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mode = mode
        self._monkeypatch = monkeypatch
        self.delays: list[float] = []
        self.client: Any = None

    def __call__(self, operation: Operation[Any], script: Script, **settings: Any) -> Any:
        settings = {"region_name": "eu-west-1", "max_retries": 3, **settings}
        config = DynamoDBConfig(aws_access_key_id="id", aws_secret_access_key=SECRET, **settings)
        self.client = ScriptedClient(script, use_async=self.mode == "async")
        sync = SyncDriver(config)
        sync._clients["dynamodb"] = self.client
        driver = AsyncDriver(config, sync)
        driver._native = self.mode == "async"
        self._patch(driver)
        try:
            if self.mode == "sync":
                return sync.run(operation)
            return asyncio.run(driver.run(operation))
        finally:
            sync.close()

    def _patch(self, driver: AsyncDriver) -> None:
        async def get_client(service: str) -> Any:
            return self.client

        real_sleep = asyncio.sleep

        async def sleep(seconds: float) -> None:
            if seconds:
                self.delays.append(seconds)
            await real_sleep(0)

        patch = self._monkeypatch.setattr
        patch(driver._clients, "get", get_client)
        patch("tenacity.nap.time.sleep", self.delays.append)
        patch(asyncio, "sleep", sleep)
        patch(sync_driver.random, "uniform", lambda low, high: high)
        patch(aio.random, "uniform", lambda low, high: high)


@pytest.fixture(params=["sync", "async", "threads"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(request.param, monkeypatch)


def one_call(**params: Any) -> Operation[Any]:
    (reply,) = yield [Call("work", params)]
    return reply["result"] if isinstance(reply, dict) else reply


def aws(code: str, status: int = 400, **response: Any) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "m"},
            "ResponseMetadata": {"HTTPStatusCode": status},
            **response,
        },
        "Work",
    )


def test_replies_come_in_the_order_of_the_calls(run: Runner) -> None:
    def operation() -> Operation[list[int]]:
        replies = yield [Call("work", {"n": n}) for n in range(50)]
        return [reply["result"] for reply in replies]

    assert run(operation(), lambda n: n * n) == [n * n for n in range(50)]


def test_computations_backoffs_and_the_result_pass_through(run: Runner) -> None:
    def operation() -> Operation[Any]:
        computed = yield Compute(lambda: 6 * 7, lambda: None)
        nothing = yield Backoff(0)
        return computed, nothing

    assert run(operation(), lambda: None, initial_retry_delay=0.001) == (42, None)


def test_an_error_is_thrown_in_after_all_calls_of_its_round_have_ended(run: Runner) -> None:
    seen: list[int] = []

    def operation() -> Operation[str]:
        try:
            yield [Call("work", {"n": n}) for n in range(5)]
        except RequestRejectedError:
            seen.append(len(run.client.calls))
        replies = yield [Call("work", {"n": 9})]
        return str(replies[0]["result"])

    script = lambda n: aws("ValidationException") if n == 0 else f"reply {n}"  # noqa: E731
    assert run(operation(), script) == "reply 9"
    assert seen == [5]


def test_an_error_of_a_computation_is_thrown_in(run: Runner) -> None:
    def operation() -> Operation[str]:
        try:
            yield Compute(lambda: 1 // 0, lambda: None)
        except ZeroDivisionError:
            return "seen"
        return "not seen"

    assert run(operation(), lambda: None) == "seen"


def test_an_operation_is_closed_when_it_fails(run: Runner) -> None:
    closed: list[bool] = []

    def operation() -> Operation[None]:
        try:
            yield [Call("work", {})]
        finally:
            closed.append(True)

    with pytest.raises(TableNotFoundError):
        run(operation(), lambda: aws("ResourceNotFoundException"))
    assert closed == [True]


def test_an_operation_is_closed_when_its_task_is_cancelled() -> None:
    closed: list[bool] = []

    def operation() -> Operation[None]:
        try:
            yield Backoff(30)
        finally:
            closed.append(True)

    async def cancel() -> None:
        config = DynamoDBConfig(max_retry_delay=60)
        driver = AsyncDriver(config, SyncDriver(config))
        task = asyncio.create_task(driver.run(operation()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert closed == [True]


def test_a_failed_condition_is_a_reply_with_the_item_that_is_there(run: Runner) -> None:
    error = aws("ConditionalCheckFailedException", Item={"PK": {"S": "t"}})
    assert run(one_call(), lambda: error) == ConditionFailed({"PK": {"S": "t"}})
    assert len(run.client.calls) == 1


def of_refresh(error: Exception) -> Exception:
    """An error as botocore raises it when it refreshes credentials."""

    def refresh() -> Any:
        raise error

    long_ago = datetime.fromtimestamp(0, tz=timezone.utc)
    credentials = RefreshableCredentials("a", "b", "c", long_ago, refresh, "test")
    with pytest.raises(type(error)) as caught:
        credentials.get_frozen_credentials()
    return caught.value


RETRYABLE = [
    (aws("ProvisionedThroughputExceededException"), ThrottledError),
    (aws("ThrottlingException"), ThrottledError),
    (aws("RequestLimitExceeded"), ThrottledError),
    (aws("InternalServerError", 500), UnavailableError),
    (aws("SomethingNew", 503), UnavailableError),
    (aws("ReplicatedWriteConflictException"), UnavailableError),
    (aws("TransactionConflictException"), UnavailableError),
    # Half of an error, or a proxy's.
    (aws("400"), UnavailableError),
    (EndpointConnectionError(endpoint_url="http://x"), UnavailableError),
    (ConnectTimeoutError(endpoint_url="http://x"), UnavailableError),
    (ReadTimeoutError(endpoint_url="http://x"), UnavailableError),
    (ConnectionResetError("reset"), UnavailableError),
    # A metadata service that did not answer, and credentials that had expired when they came.
    (CredentialRetrievalError(provider="container-role", error_msg="timeout"), AccessDeniedError),
    (MetadataRetrievalError(error_msg="timeout"), AccessDeniedError),
    (of_refresh(RuntimeError("the refreshed credentials are still expired.")), AccessDeniedError),
    (of_refresh(RuntimeError("<Lock> is bound to a different event loop")), AccessDeniedError),
    # A request to STS for them.
    (of_refresh(EndpointConnectionError(endpoint_url="http://sts")), UnavailableError),
    # A proxy's page instead of an answer.
    (ResponseParserError("invalid XML received"), UnavailableError),
]
FINAL = [
    (aws("ValidationException"), RequestRejectedError),
    (aws("ResourceNotFoundException"), TableNotFoundError),
    (aws("AccessDeniedException"), AccessDeniedError),
    (aws("ExpiredTokenException"), AccessDeniedError),
    (aws("403", 403), AccessDeniedError),
    (NoCredentialsError(), AccessDeniedError),
    (of_refresh(FileNotFoundError(2, "No such file or directory", "token")), AccessDeniedError),
    (of_refresh(ValueError("no JSON")), AccessDeniedError),
    (ProfileNotFound(profile="none"), ConfigurationError),
    (InvalidRegionError(region_name=" us-east-1"), ConfigurationError),
    (UndefinedModelAttributeError("of no base of botocore's"), RequestRejectedError),
    (RuntimeError("anything else"), RequestRejectedError),
    (ValueError("Invalid endpoint: http://x y"), RequestRejectedError),
    (NoRegionError(), ConfigurationError),
]


def scripted(replies: Iterator[Any]) -> Script:
    return lambda **_: next(replies)


@pytest.mark.parametrize(("error", "kind"), RETRYABLE)
def test_what_may_pass_is_retried_with_growing_bounded_delays(
    run: Runner, error: Exception, kind: type[Exception]
) -> None:
    script = scripted(iter([error, error, error, {"ok": True}]))
    assert run(one_call(), script, initial_retry_delay=0.2, max_retry_delay=0.5) == {"ok": True}
    assert len(run.delays) == 3
    assert all(
        0 <= delay <= bound for delay, bound in zip(run.delays, [0.2, 0.4, 0.5], strict=True)
    )


@pytest.mark.parametrize(("error", "kind"), RETRYABLE)
def test_what_does_not_pass_is_one_error_that_says_what_was_tried(
    run: Runner, error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"work on table 'chat' in region eu-west-1.*tried 3 times"):
        run(one_call(TableName="chat"), lambda **_: error, max_retries=2)
    assert len(run.client.calls) == 3


@pytest.mark.parametrize(("error", "kind"), FINAL)
def test_what_cannot_pass_is_not_retried(
    run: Runner, error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as raised:
        run(one_call(TableName="chat"), lambda **_: error)
    assert len(run.client.calls) == 1
    assert SECRET not in str(raised.value)


def test_a_missing_table_names_itself_its_region_and_the_ways_out(run: Runner) -> None:
    own = DynamoDBConfig().table_config.table_name
    told = {}
    for name in (own, "old"):
        with pytest.raises(TableNotFoundError) as raised:
            run(one_call(TableName=name), lambda **_: aws("ResourceNotFoundException"))
        told[name] = str(raised.value)
    for part in (repr(own), "eu-west-1", "deploy=True", "template.yaml"):
        assert part in told[own]
    for part in ("'old'", "eu-west-1", "check table_name in SourceTable"):
        assert part in told["old"]
    assert "deploy" not in told["old"]


def test_no_retries_means_one_try(run: Runner) -> None:
    with pytest.raises(ThrottledError):
        run(one_call(), lambda: aws("ThrottlingException"), max_retries=0)
    assert len(run.client.calls) == 1


def test_a_try_waits_for_seconds_unless_the_caller_says_otherwise() -> None:
    ours = client_config.client_arguments(DynamoDBConfig())["config"]
    assert (ours.connect_timeout, ours.read_timeout) == (5, 20)
    config = DynamoDBConfig(botocore_config=Config(read_timeout=3))
    theirs = client_config.client_arguments(config)["config"]
    assert (theirs.connect_timeout, theirs.read_timeout) == (5, 3)
