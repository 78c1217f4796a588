"""Calls of several services: a client each, their endpoints, and what their errors say."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    CorruptCheckpointError,
    DeserializationError,
    DynamoDBConfig,
    DynamoDBTableConfig,
    RequestRejectedError,
    StaleParentError,
    StorageError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
    UnsupportedFormatError,
)
from langgraph_checkpoint_dynamodb.drivers.aws_errors import translate
from langgraph_checkpoint_dynamodb.drivers.client_config import (
    check_same_place,
    client_arguments,
    is_about_the_table,
)
from langgraph_checkpoint_dynamodb.drivers.places import host_of
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import (
    AUTOSCALING,
    CLOUDFORMATION,
    DYNAMODB,
    KMS,
    OF_ANOTHER_PLACE,
    Call,
    Operation,
)
from sessions import MODES, Scripted, refusal

ALL = [DYNAMODB, CLOUDFORMATION, AUTOSCALING, KMS]


@pytest.fixture(params=MODES)
def scripted(request: pytest.FixtureRequest) -> Scripted:
    return Scripted(request.param)


def calls(*services: str, **params: Any) -> Operation[Any]:
    replies = yield [Call("work", params, service) for service in services]
    return [reply["from"] for reply in replies]


def name_itself(call: Call) -> Any:
    return {"from": call.service}


def test_each_service_has_one_client_that_is_made_when_needed_and_closed(
    scripted: Scripted,
) -> None:
    saver = scripted.saver(name_itself)
    assert scripted.session.made == []
    first, mixed = scripted.run(
        saver, calls(DYNAMODB), calls(AUTOSCALING, DYNAMODB, CLOUDFORMATION, KMS)
    )
    assert first == ["dynamodb"]
    assert mixed == [AUTOSCALING, DYNAMODB, CLOUDFORMATION, KMS]
    # On an event loop another of each is made before, in a thread: botocore reads its models.
    times = 2 if scripted.in_loop else 1
    assert sorted(name for name, _ in scripted.session.made) == sorted(ALL * times)
    assert sorted(scripted.session.closed) == sorted(ALL * times)


def test_a_closed_service_is_opened_again(scripted: Scripted) -> None:
    saver = scripted.saver(name_itself)
    for _ in range(2):
        assert scripted.run(saver, calls(CLOUDFORMATION)) == [["cloudformation"]]
    models_read = 1 if scripted.in_loop else 0
    assert scripted.session.closed == ["cloudformation"] * (2 + models_read)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("Throttling"), ThrottledError),
        (refusal("ConcurrentUpdateException"), UnavailableError),
        (refusal("InternalServiceException", 500), UnavailableError),
        (EndpointConnectionError(endpoint_url="http://x"), UnavailableError),
    ],
)
def test_what_may_pass_is_retried_for_every_service(
    scripted: Scripted, error: Exception, kind: type[Exception]
) -> None:
    saver = scripted.saver(lambda call: error, max_retries=2)
    target = "on scalable target 'table/chats' in region eu-west-1.*tried 3 times"
    with pytest.raises(kind, match=target):
        scripted.run(saver, calls(AUTOSCALING, ResourceId="table/chats"))
    assert [call.service for call in scripted.session.calls] == [AUTOSCALING] * 3


def test_a_failure_may_be_a_reply_beside_those_of_the_round(scripted: Scripted) -> None:
    def one_fails(call: Call) -> Any:
        return refusal("ThrottlingException") if call.params["Limit"] == 2 else {"Items": []}

    def round_of_three() -> Operation[Any]:
        queries = [requests.query("chats", "t", ("a", "b"), limit=number) for number in (1, 2, 3)]
        return (yield [replace(query, failure_is_reply=True) for query in queries])

    saver = scripted.saver(one_fails, max_retries=1)
    ((first, failed, last),) = scripted.run(saver, round_of_three())
    assert first["Items"] == last["Items"] == []
    assert isinstance(failed.error, ThrottledError)
    assert "see max_retries" in str(failed.error)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "ExpiredToken"])
def test_a_refused_call_names_service_method_and_stack(scripted: Scripted, code: str) -> None:
    saver = scripted.saver(lambda call: refusal(code, 403))
    with pytest.raises(AccessDeniedError) as raised:
        scripted.run(saver, calls(CLOUDFORMATION, StackName="chats"))
    what = "cloudformation work on stack 'chats' in region eu-west-1"
    assert str(raised.value) == f"{what}: {code}: no"
    assert raised.value.code == code


@pytest.mark.parametrize("code", ["ObjectNotFoundException", "ResourceNotFoundException"])
def test_what_another_service_lacks_is_not_called_a_missing_table(
    scripted: Scripted, code: str
) -> None:
    saver = scripted.saver(lambda call: refusal(code))
    with pytest.raises(RequestRejectedError) as raised:
        scripted.run(saver, calls(AUTOSCALING, ResourceIds=["table/chats"]))
    assert raised.value.code == code
    assert "['table/chats']" in str(raised.value)
    assert "deploy" not in str(raised.value)
    saver = scripted.saver(lambda call: refusal("ResourceNotFoundException"))
    with pytest.raises(TableNotFoundError):
        scripted.run(saver, calls(DYNAMODB))


EMULATORS = [
    "http://localhost:4566",
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
    "https://amazonaws.com.example.org",
    "https://notamazonaws.com",
]
OF_AWS = [
    "https://dynamodb.eu-west-1.amazonaws.com",
    "https://DynamoDB.EU-West-1.AmazonAWS.com:443/",
    "https://vpce-1-a.dynamodb.eu-west-1.vpce.amazonaws.com",
    "https://dynamodb.cn-north-1.amazonaws.com.cn",
    "https://dynamodb.eu-west-1.api.aws",
]


@pytest.mark.parametrize("url", [*EMULATORS, *OF_AWS, None])
def test_the_endpoint_serves_all_services_unless_it_is_one_of_aws(url: str | None) -> None:
    config = DynamoDBConfig(endpoint_url=url)
    assert client_arguments(config)["endpoint_url"] == url
    for service in (CLOUDFORMATION, AUTOSCALING):
        expected = None if url in OF_AWS else url
        assert client_arguments(config, service)["endpoint_url"] == expected


@pytest.mark.parametrize("table_at", [EMULATORS[1], OF_AWS[0]])
@pytest.mark.parametrize("service_at", [*EMULATORS[:2], *OF_AWS, ""])
def test_a_call_about_the_table_goes_to_the_place_of_the_table(
    table_at: str, service_at: str
) -> None:
    dynamodb, service = (
        SimpleNamespace(meta=SimpleNamespace(endpoint_url=url)) for url in (table_at, service_at)
    )
    if (table_at in OF_AWS) == (service_at in OF_AWS):
        check_same_place(KMS, service, dynamodb)
        return
    with pytest.raises(RequestRejectedError) as raised:
        check_same_place(KMS, service, dynamodb)
    assert raised.value.code == OF_ANOTHER_PLACE
    for part in ("kms was not called", table_at, service_at, "AWS_ENDPOINT_URL", "endpoint_url=…"):
        assert part in str(raised.value)


def test_which_services_are_about_the_table() -> None:
    assert [name for name in ALL if is_about_the_table(name)] == [AUTOSCALING, KMS]


def test_every_service_is_reached_by_the_same_settings() -> None:
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    config = DynamoDBConfig(region_name="eu-west-1", **keys)
    for service in ALL:
        found = client_arguments(config, service)
        assert {name: found[name] for name in keys} == keys
        assert found["region_name"] == "eu-west-1"
        assert found["config"].retries["total_max_attempts"] == 1


def session_of(kind: str) -> dict[str, Any]:
    from aiobotocore.session import AioSession

    if kind == "boto3":
        return {"session": boto3.Session(region_name="sa-east-1")}
    if kind == "aiobotocore":
        session = AioSession()
        session.set_config_variable("region", "sa-east-1")
        return {"async_session": session}
    return {}


@pytest.mark.parametrize("kind", ["boto3", "aiobotocore", "environment"])
def test_an_error_names_the_region_that_the_session_chose(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    if kind != "environment":
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = DynamoDBConfig(**session_of(kind))
    for service in ALL:
        error = translate(refusal("Other"), config, Call("work", {}, service))
        assert "in region sa-east-1: Other" in str(error)


def test_a_host_is_named_without_its_password() -> None:
    client = SimpleNamespace(meta=SimpleNamespace(endpoint_url="http://user:secret@proxy:8000/x"))
    assert host_of(client) == "proxy:8000"
    quoted = "http://user:secret@proxy:8000/"
    for error in (EndpointConnectionError(endpoint_url=quoted), ValueError(f"Invalid: {quoted}")):
        told = str(translate(error, DynamoDBConfig(), Call("query", {}), host_of(client)))
        assert "http://proxy:8000/" in told
        assert "secret" not in told


@pytest.mark.parametrize(
    "kind",
    [CorruptCheckpointError, DeserializationError, StaleParentError, UnsupportedFormatError],
)
def test_an_error_about_items_names_their_table(
    scripted: Scripted, kind: type[StorageError]
) -> None:
    def fail() -> Operation[Any]:
        yield [Call("query", {})]
        raise kind("thread 't': damaged")

    saver = scripted.saver(
        lambda call: {"Items": []},
        table_config=DynamoDBTableConfig(table_name="chats"),
        endpoint_url="http://localhost:8000",
    )
    with pytest.raises(kind) as raised:
        scripted.run(saver, fail())
    where = "table 'chats' in region eu-west-1 at localhost:8000"
    assert str(raised.value) == f"{where}: thread 't': damaged"


def test_no_region_and_a_missing_profile_still_make_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    error = translate(refusal("Other"), DynamoDBConfig(), Call("work", {"TableName": "chats"}))
    assert str(error) == "work on table 'chats' in region None: Other: no"
