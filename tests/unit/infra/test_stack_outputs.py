"""`from_stack`: what it asks CloudFormation, what it makes of the outputs, what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from descriptions import OTHER_KEY, described
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    InvalidInputError,
    StackError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.infra.compare import Drift
from langgraph_checkpoint_dynamodb.infra.stack_outputs import TEMPLATE_MAJOR
from langgraph_checkpoint_dynamodb.infra.template import load_template
from langgraph_checkpoint_dynamodb.runtime.effects import CLOUDFORMATION, Call
from sessions import MODES, Scripted, refusal

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/chats/7e11999d"
OUTPUTS = {
    "TableName": "chats-Table-1",
    "TableArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/chats-Table-1",
    "Region": "eu-west-1",
    "TtlAttribute": "expires",
    "TtlEnabled": "true",
    "RunIndexEnabled": "false",
    "ThreadIndexEnabled": "true",
    "TemplateVersion": "1.4.2",
}


def stack(status: str = "CREATE_COMPLETE", **outputs: str | None) -> dict[str, Any]:
    """CloudFormation's answer; an output that is `None` is left out."""
    found = {
        "StackId": ARN,
        "StackName": "chats",
        "StackStatus": status,
        "Outputs": [
            {"OutputKey": key, "OutputValue": value}
            for key, value in {**OUTPUTS, **outputs}.items()
            if value is not None
        ],
    }
    return {"Stacks": [found]}


def no_outputs(status: str) -> dict[str, Any]:
    """As CloudFormation describes a stack before its outputs exist: without the list."""
    answer = stack(status)
    del answer["Stacks"][0]["Outputs"]
    return answer


@pytest.fixture(params=MODES)
def scripted(request: pytest.FixtureRequest) -> Scripted:
    return Scripted(request.param)


def make(
    scripted: Scripted,
    answer: Any,
    name: Any = "chats",
    config: Any = None,
    cls: type[DynamoDBSaver] = DynamoDBSaver,
    **arguments: Any,
) -> DynamoDBSaver:
    config = config or scripted.config(lambda call: answer)
    if not scripted.is_async:
        return cls.from_stack(name, config=config, **arguments)
    return asyncio.run(cls.afrom_stack(name, config=config, **arguments))


def test_the_outputs_become_the_configuration(scripted: Scripted) -> None:
    saver = make(scripted, stack(), ttl_seconds=3600)
    assert scripted.session.calls == [
        Call("describe_stacks", {"StackName": "chats"}, CLOUDFORMATION)
    ]
    assert saver.config.table_config == DynamoDBTableConfig(
        table_name="chats-Table-1", enable_ttl=True, ttl_attribute="expires", ttl_seconds=3600
    )
    assert saver.config.region_name == "eu-west-1"
    # What read the stack is closed, and is not what the saver uses.
    assert {name for name, _ in scripted.session.made} == {CLOUDFORMATION}
    assert set(scripted.session.closed) == {CLOUDFORMATION}
    assert len(scripted.session.closed) == len(scripted.session.made)


def test_what_is_off_stays_off_and_what_is_on_is_on(scripted: Scripted) -> None:
    indexes = {"RunIndexEnabled": "true", "ThreadIndexEnabled": "false"}
    saver = make(scripted, stack(TtlEnabled="false", TtlAttribute="ttl", **indexes))
    assert saver.config.table_config == DynamoDBTableConfig(
        table_name="chats-Table-1", enable_run_index=True, enable_thread_index=False
    )


def test_all_else_of_the_config_and_the_serde_are_kept(scripted: Scripted) -> None:
    given = scripted.config(lambda call: stack(), max_retries=7, cache_bytes=5)
    serde = JsonPlusSerializer()
    saver = make(scripted, None, config=given, serde=serde)
    assert (saver.config.max_retries, saver.config.cache_bytes) == (7, 5)
    assert saver.config.session is given.session
    assert saver.config.async_session is given.async_session
    assert saver.serde is serde


def test_read_through_is_passed_on_and_checked_before_anything_is_sent(scripted: Scripted) -> None:
    config = scripted.config(lambda call: stack())
    with pytest.raises(ConfigurationError, match="read_through is a str"):
        make(scripted, None, config=config, read_through="old")
    assert not scripted.session.calls
    assert make(scripted, None, config=config)._read_through is None
    assert make(scripted, None, config=config, read_through=InMemorySaver())._read_through


@pytest.mark.parametrize("ttl_attribute", ["expires", "other"])
def test_the_plan_compares_what_the_outputs_have(
    scripted: Scripted, ttl_attribute: str, caplog: pytest.LogCaptureFixture
) -> None:
    deployed = DynamoDBTableConfig(
        table_name="chats-Table-1",
        enable_ttl=True,
        ttl_attribute=ttl_attribute,
        enable_point_in_time_recovery=True,
        enable_deletion_protection=True,
        environment="prod",
        kms_key_arn=OTHER_KEY,
        max_read_request_units=11,
    )
    answers = {"describe_stacks": stack(), **described(deployed)}
    saver = make(scripted, None, config=scripted.config(lambda call: answers[call.method]))
    if scripted.is_async:
        plan = asyncio.run(saver.aplan())
        asyncio.run(saver.asetup())
    else:
        plan = saver.plan()
        saver.setup()
    differs = ttl_attribute == "other"
    assert plan.drift == ((Drift("ttl_attribute", "expires", "other"),) if differs else ())
    (unknown,) = plan.unknown
    assert unknown.setting == "other settings"
    assert "aws cloudformation detect-stack-drift --stack-name chats " in unknown.reason
    assert [one for one in caplog.records if one.levelname == "WARNING"] == []


def test_a_subclass_makes_its_own_kind(scripted: Scripted) -> None:
    class Mine(DynamoDBSaver):
        pass

    assert type(make(scripted, stack(), cls=Mine)) is Mine


def test_without_a_region_the_stack_says_which(scripted: Scripted) -> None:
    config = scripted.config(lambda call: stack(Region="sa-east-1"), region_name=None)
    assert make(scripted, None, config=config).config.region_name == "sa-east-1"


def test_an_arn_says_in_which_region_the_stack_is_read(scripted: Scripted) -> None:
    config = scripted.config(lambda call: stack(), region_name=None)
    assert make(scripted, None, ARN, config).config.region_name == "eu-west-1"
    assert scripted.session.made[0][1]["region_name"] == "eu-west-1"
    assert scripted.session.calls[0].params == {"StackName": ARN}


def test_an_arn_of_another_region_than_the_configs_is_refused(scripted: Scripted) -> None:
    config = scripted.config(lambda call: stack(), region_name="us-east-1")
    with pytest.raises(ConfigurationError, match=r"region_name='us-east-1', but .* 'eu-west-1'"):
        make(scripted, None, ARN, config)
    assert scripted.session.calls == []


@pytest.mark.parametrize(
    "status",
    [
        *("CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"),
        *("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"),
        *("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "IMPORT_COMPLETE"),
    ],
)
def test_a_stack_that_has_its_table_will_do(status: str) -> None:
    saver = make(Scripted("sync"), stack(status))
    assert saver.config.table_config.table_name == "chats-Table-1"


def test_a_missing_stack_says_what_was_looked_for_where_and_the_way_out(scripted: Scripted) -> None:
    error = refusal("ValidationError", message="Stack with id chats does not exist")
    with pytest.raises(StackError) as raised:
        make(scripted, error)
    for part in ("'chats'", "does not exist", "eu-west-1", "region_name", "template.yaml"):
        assert part in str(raised.value)


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"])
@pytest.mark.parametrize("answer", [no_outputs, stack])
def test_a_stack_in_the_making_has_to_be_waited_for(
    scripted: Scripted, status: str, answer: Any
) -> None:
    with pytest.raises(StackError) as raised:
        make(scripted, answer(status))
    for part in ("'chats'", "eu-west-1", status, "still being created", "wait"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    "status",
    [
        *("CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
        *("DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_COMPLETE"),
    ],
)
def test_a_failed_or_deleted_stack_says_so_and_that_the_table_may_be_there(status: str) -> None:
    with pytest.raises(StackError) as raised:
        make(Scripted("sync"), stack(status))
    for part in ("'chats'", "eu-west-1", status, "failed or is deleted", "keeps its data"):
        assert part in str(raised.value)


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "IMPORT_IN_PROGRESS"])
def test_a_stack_without_outputs_is_not_ours(scripted: Scripted, status: str) -> None:
    with pytest.raises(StackError) as raised:
        make(scripted, no_outputs(status))
    for part in ("'chats'", status, "another template than this package's template.yaml", *OUTPUTS):
        assert part in str(raised.value)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("value", [None, ""])
def test_every_output_is_needed(output: str, value: str | None) -> None:
    with pytest.raises(StackError, match=f"outputs lack {output}"):
        make(Scripted("sync"), stack(**{output: value}))


@pytest.mark.parametrize("output", ["TtlEnabled", "RunIndexEnabled", "ThreadIndexEnabled"])
def test_an_output_of_another_form_is_not_ours(output: str) -> None:
    with pytest.raises(StackError, match=f"{output}='yes' is not 'true' or 'false'"):
        make(Scripted("sync"), stack(**{output: "yes"}))


@pytest.mark.parametrize("outputs", [{}, {"TtlEnabled": None}])
def test_a_newer_template_needs_a_newer_package(outputs: dict[str, None]) -> None:
    with pytest.raises(StackError, match=r"TemplateVersion 2\.0\.0.*reads 1\.x: upgrade"):
        make(Scripted("sync"), stack(TemplateVersion="2.0.0", **outputs))


@pytest.mark.parametrize("version", ["main", "v1.0.0", "²"])
def test_a_version_that_is_none_is_not_ours(version: str) -> None:
    with pytest.raises(StackError, match=f"TemplateVersion='{version}'"):
        make(Scripted("sync"), stack(TemplateVersion=version))


def test_the_shipped_template_has_these_outputs_and_this_version() -> None:
    outputs = load_template()["Outputs"]
    assert set(OUTPUTS) <= set(outputs)
    assert outputs["TemplateVersion"]["Value"].split(".")[0] == str(TEMPLATE_MAJOR)


def test_ttl_seconds_need_a_stack_with_ttl(scripted: Scripted) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make(scripted, stack(TtlEnabled="false"), ttl_seconds=60)
    for part in ("ttl_seconds=60", "'chats'", "eu-west-1", "EnableTtl=true"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "1st",
        "chats_1",
        "x" * 129,
        "chats\n",
        "\ud800",
        None,
        7,
        b"chats",
        "arn:aws",
    ],
)
def test_what_cannot_be_a_stack_is_refused_before_anything_is_sent(
    scripted: Scripted, name: Any
) -> None:
    with pytest.raises(InvalidInputError, match="stack_name="):
        make(scripted, stack(), name)
    assert scripted.session.made == []


def test_a_table_config_is_refused_because_the_stack_says_it(scripted: Scripted) -> None:
    table = DynamoDBTableConfig(table_name="chats")
    config = scripted.config(lambda call: stack(), table_config=table)
    with pytest.raises(ConfigurationError, match=r"table_config.*leave it out.*ttl_seconds"):
        make(scripted, None, config=config)
    assert scripted.session.made == []


@pytest.mark.parametrize("ttl_seconds", [0, -1, 1.5, "60", True])
def test_a_senseless_ttl_is_refused_before_anything_is_sent(
    scripted: Scripted, ttl_seconds: Any
) -> None:
    with pytest.raises(ConfigurationError, match="ttl_seconds="):
        make(scripted, stack(), ttl_seconds=ttl_seconds)
    assert scripted.session.made == []


def test_a_config_of_another_type_is_refused(scripted: Scripted) -> None:
    with pytest.raises(ConfigurationError, match="config is a dict"):
        make(scripted, stack(), config={"region_name": "eu-west-1"})


def test_another_refusal_is_passed_on_and_the_client_closed(scripted: Scripted) -> None:
    with pytest.raises(AccessDeniedError, match="cloudformation describe_stacks on stack 'chats'"):
        make(scripted, refusal("AccessDenied", 403))
    assert set(scripted.session.closed) == {CLOUDFORMATION}
    assert len(scripted.session.closed) == len(scripted.session.made)


def test_the_default_config_is_the_default_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(UnavailableError, match=r"describe_stacks.*eu-west-1|127\.0\.0\.1:1"):
        DynamoDBSaver.from_stack("chats", config=DynamoDBConfig(max_retries=0))
