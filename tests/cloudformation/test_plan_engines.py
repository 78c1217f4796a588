"""`plan` and `destroy` on moto, in all modes of the saver, and on DynamoDB Local."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import MakeSaver
from moto import mock_aws
from moto.server import ThreadedMotoServer

from capacity import events_of
from clients import async_session, sync_session
from deploying import UNFINISHED
from either import Either
from langgraph_checkpoint_dynamodb import (
    Drift,
    DynamoDBTableConfig,
    TableNotFoundError,
    TableProtectedError,
)
from langgraph_checkpoint_dynamodb.infra.compare import TRACKING
from langgraph_checkpoint_dynamodb.infra.deploy import deploy
from langgraph_checkpoint_dynamodb.infra.destroy import destroy
from langgraph_checkpoint_dynamodb.infra.plan import plan
from langgraph_checkpoint_dynamodb.infra.template import INDEXES
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from recorder import Recorder
from stacks import PROVISIONED, SCALED, configs, create_stack

STACK_TAG = "aws:cloudformation:stack-name"
SCALED_TABLE = DynamoDBTableConfig(
    table_name="chats", **PROVISIONED, **SCALED, enable_run_index=True, enable_ttl=True
)


def without_mark(calls: list[Call]) -> tuple[Call, ...]:
    """Calls without the tag that marks a table while `deploy` is at work."""
    *kept, last = calls
    if last.method == "untag_resource":
        mark = {"Key": UNFINISHED, "Value": "true"}
        tags = [tag for tag in kept[0].params.pop("Tags") if tag != mark]
        kept[0].params.update({"Tags": tags} if tags else {})
        assert last.params["TagKeys"] == [UNFINISHED]
        return tuple(kept)
    return tuple(calls)


@mock_aws
@pytest.mark.parametrize("config", configs())
def test_the_plan_is_what_deploy_sends_and_then_nothing_is_left(
    config: DynamoDBTableConfig,
) -> None:
    recorder = Recorder()
    before = recorder.run(plan(config))
    assert recorder.changes == []
    recorder.record(deploy(config))
    assert before.calls == without_mark(recorder.changes)
    recorder.calls = []
    after = recorder.run(plan(config))
    assert recorder.changes == []
    assert (after.exists, after.calls, after.drift, after.unknown) == (True, (), (), ())


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sent() -> list[str]:
    """What the saver sends, by the client library's own events."""
    return []


@pytest.fixture
def on_moto(
    make_saver: MakeSaver, mode: str, moto_url: str, sent: list[str]
) -> Callable[..., Either]:
    """Make savers on moto, each on a table of its own."""

    def record(model: Any, **_: object) -> None:
        sent.append(model.name)

    def make(*, deploy: bool = True, **settings: Any) -> Either:
        session = sync_session()
        sessions: dict[str, Any] = {"session": session}
        emitters = [events_of(session)]
        if mode == "async":
            sessions["async_session"] = own = async_session()
            emitters.append(events_of(own))
        for emitter in emitters:
            emitter.register("before-call", record)
        saver = make_saver(endpoint_url=moto_url, deploy=deploy, **sessions, **settings)
        return Either(saver, use_async=mode != "sync")

    return make


@pytest.fixture
def recorder(moto_url: str) -> Recorder:
    return Recorder(moto_url)


LOOKS = [
    *("DescribeTable", "ListTagsOfResource", "DescribeTimeToLive", "DescribeContinuousBackups"),
    *("DescribeKey", "DescribeScalableTargets"),
    *["DescribeScalingPolicies"] * (1 + len(INDEXES)),
    "Scan",
]


async def test_a_saver_plans(on_moto: Callable[..., Either], sent: list[str]) -> None:
    name = f"plan-{uuid.uuid4().hex}"
    client = on_moto(table_name=name, deploy=False, **PROVISIONED, enable_ttl=True)
    missing = await client.plan()
    assert sent == LOOKS[:1]
    assert not missing.exists
    assert [call.method for call in missing.calls] == ["create_table", "update_time_to_live"]

    on_moto(table_name=name, **PROVISIONED, **SCALED, enable_ttl=True, environment="prod")
    sent.clear()
    found = await client.plan()
    assert sent == LOOKS
    assert (found.exists, found.calls, found.unknown) == (True, (), ())
    assert found.drift == (
        Drift("environment", None, "prod"),
        *(Drift(bound, None, SCALED[bound]) for bound in SCALED),
        *(
            Drift(bound, None, units, "threads")
            for bound, units in {**SCALED, "min_read_capacity": 1}.items()
        ),
    )


async def test_nothing_is_sent_to_aws_about_a_table_of_an_emulator(
    make_saver: MakeSaver, mode: str, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", moto_url)
    sessions: dict[str, Any] = {"session": sync_session()}
    if mode == "async":
        sessions["async_session"] = async_session()
    urls: list[str] = []
    for session in sessions.values():
        events_of(session).register("before-call", lambda params, **_: urls.append(params["url"]))
    saver = make_saver(
        endpoint_url=None, deploy=False, **sessions, **PROVISIONED, **SCALED, enable_run_index=True
    )
    client = Either(saver, use_async=mode != "sync")
    await client.setup()
    found = await client.plan()
    assert (found.exists, found.drift) == (True, ())
    assert {one.setting for one in found.unknown} == {"kms_key_arn", *SCALED, *TRACKING}
    await client.destroy()
    assert not (await client.plan()).exists
    assert len(urls) > 8
    assert {url.startswith(moto_url) for url in urls} == {True}


async def test_a_saver_destroys_its_table_and_its_scaling(
    on_moto: Callable[..., Either], recorder: Recorder
) -> None:
    client = on_moto(**PROVISIONED, **SCALED, enable_run_index=True)
    name = client.target.config.table_config.table_name
    scaling = recorder.client("application-autoscaling")

    def targets() -> list[str]:
        found = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")
        return [one["ResourceId"] for one in found["ScalableTargets"] if name in one["ResourceId"]]

    scaled = ["", "/index/run-id", "/index/threads"]
    assert sorted(targets()) == [f"table/{name}{part}" for part in scaled for _ in range(2)]
    await client.destroy()
    with pytest.raises(TableNotFoundError):
        recorder.call(Call("describe_table", {"TableName": name}))
    assert targets() == []
    await client.destroy()
    assert not (await client.plan()).exists


async def test_a_saver_spares_a_protected_table(
    on_moto: Callable[..., Either], recorder: Recorder
) -> None:
    client = on_moto(enable_deletion_protection=True)
    name = client.target.config.table_config.table_name
    for force in (False, True):
        with pytest.raises(TableProtectedError, match="deletion protection"):
            await client.destroy(force=force)
    assert (await client.plan()).exists
    recorder.client().update_table(TableName=name, DeletionProtectionEnabled=False)
    await client.destroy()
    assert not (await client.plan()).exists


async def test_a_saver_spares_a_table_of_a_stack_unless_forced(
    on_moto: Callable[..., Either], recorder: Recorder
) -> None:
    client = on_moto()
    name = client.target.config.table_config.table_name
    arn = recorder.client().describe_table(TableName=name)["Table"]["TableArn"]
    tag = {"Key": STACK_TAG, "Value": "chats-stack"}
    recorder.client().tag_resource(ResourceArn=arn, Tags=[tag])
    with pytest.raises(TableProtectedError, match="stack 'chats-stack'"):
        await client.destroy()
    found = await client.plan()
    assert (found.exists, found.stack, found.drift) == (True, "chats-stack", ())
    await client.destroy(force=True)
    assert not (await client.plan()).exists


@mock_aws
def test_a_table_that_a_stack_made_is_deleted_after_its_stack() -> None:
    """Moto gives a stack's table no tag; CloudFormation does."""
    recorder = Recorder()
    create_stack("chats-stack", {"TableName": "chats"})
    arn = recorder.client().describe_table(TableName="chats")["Table"]["TableArn"]
    tag = {"Key": STACK_TAG, "Value": "chats-stack"}
    recorder.client().tag_resource(ResourceArn=arn, Tags=[tag])
    with pytest.raises(TableProtectedError):
        recorder.run(destroy(SCALED_TABLE))
    assert recorder.changes == []
    recorder.run(destroy(SCALED_TABLE, force=True))
    assert not recorder.run(plan(DynamoDBTableConfig(table_name="chats"))).exists


@mock_aws
def test_scaling_that_an_interrupted_destroy_left_is_removed_by_the_next() -> None:
    def interrupt(call: Call) -> None:
        if call.method == "deregister_scalable_target" and "deregister" in str(recorder.methods):
            raise KeyboardInterrupt

    recorder = Recorder(before=interrupt)
    recorder.run(deploy(SCALED_TABLE))
    with pytest.raises(KeyboardInterrupt):
        recorder.run(destroy(SCALED_TABLE))
    recorder.before = lambda call: None
    recorder.record(destroy(SCALED_TABLE))
    assert [call.method for call in recorder.changes] == ["deregister_scalable_target"] * 5
    recorder.record(destroy(SCALED_TABLE))
    assert recorder.changes == []


async def test_dynamodb_local_does_not_tell_everything(make_saver: MakeSaver, mode: str) -> None:
    """What it does not describe is unknown, and no difference."""
    saver = make_saver(
        mode=mode,
        **PROVISIONED,
        **SCALED,
        enable_run_index=True,
        enable_ttl=True,
        enable_deletion_protection=False,
        enable_point_in_time_recovery=True,
        environment="prod",
    )
    found = await Either(saver, use_async=mode != "sync").plan()
    assert (found.exists, found.stack, found.calls) == (True, None, ())
    assert found.drift == ()
    indexes = [(setting, name) for name in INDEXES for setting in (*SCALED, *TRACKING)]
    assert [(one.setting, one.index) for one in found.unknown] == [
        *((setting, None) for setting in ("environment", "table_class", *SCALED)),
        *((setting, None) for setting in TRACKING),
        ("enable_encryption", None),
        ("enable_point_in_time_recovery", None),
        ("point_in_time_recovery_days", None),
        *indexes,
    ]
    assert {one.reason for one in found.unknown} == {"this engine does not describe it"}
