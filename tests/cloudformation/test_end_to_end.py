"""From the template to a graph that waits, resumes in a new process and outlives its stack."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeSaver

import waiting_graph
from clouds import Api, AwsCli, Cloud, Sam, run_ministack, run_moto
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver, DynamoDBTableConfig, StackError
from play import thread
from stacks import TEMPLATE_FILE
from waiting_graph import DRAFT, make_graph

DONE = {"draft": DRAFT, "answer": "yes", "steps": 2}


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with run_ministack(tmp_path_factory.mktemp("ministack")) as cloud:
        yield cloud


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[Cloud]:
    with run_moto(tmp_path) as cloud:
        yield cloud


async def wait_for_a_human(saver: DynamoDBSaver, *, use_async: bool) -> None:
    graph = Either(make_graph(saver), use_async=use_async)
    asked = await graph.invoke({}, thread())
    assert [one.value for one in asked["__interrupt__"]] == [{"length": len(DRAFT)}]


def answer_in_a_new_process(cloud: Cloud, *, use_async: bool, kind: str, name: str) -> Any:
    script = Path(waiting_graph.__file__)
    mode = "async" if use_async else "sync"
    printed = cloud.run(
        [sys.executable, script, mode, kind, name, "thread", "yes"],
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
    )
    return json.loads(printed)


def values(saver: DynamoDBSaver) -> Any:
    with saver:
        return make_graph(saver).get_state(thread()).values


class Life:
    """A stack's life, step by step; the table is there and whole after each."""

    def __init__(self, cloud: Cloud, platform: AwsCli | Sam | Api, *, use_async: bool) -> None:
        self._cloud = cloud
        self._platform = platform
        self._use_async = use_async
        self._name = f"chats-{uuid.uuid4().hex}"

    async def begin(self) -> None:
        """Deploy, start a graph that waits, and resume it in a new process."""
        self._platform.deploy(TableName=self._name)
        async with await self._from_stack() as saver:
            assert saver.config.table_config == DynamoDBTableConfig(table_name=self._name)
            await wait_for_a_human(saver, use_async=self._use_async)
        stack = self._platform.stack
        modes = {"use_async": not self._use_async, "kind": "stack", "name": stack}
        assert answer_in_a_new_process(self._cloud, **modes) == DONE

    async def change(self) -> None:
        """Deploy again with other parameters."""
        self._platform.deploy(TableName=self._name, EnableTtl="true", TtlAttribute="expires")
        async with await self._from_stack(ttl_seconds=3600) as saver:
            assert saver.config.table_config == DynamoDBTableConfig(
                table_name=self._name, enable_ttl=True, ttl_attribute="expires", ttl_seconds=3600
            )
            assert values(saver) == DONE

    async def end(self) -> None:
        """Delete the stack, and use the table that it leaves behind."""
        self._platform.delete()
        with pytest.raises(StackError, match="does not exist"):
            await self._from_stack()
        table = DynamoDBTableConfig(table_name=self._name)
        assert values(DynamoDBSaver(replace(self._cloud.config, table_config=table))) == DONE

    async def _from_stack(self, **arguments: Any) -> DynamoDBSaver:
        saver = Either(DynamoDBSaver, use_async=self._use_async)
        arguments["config"] = self._cloud.config
        opened: DynamoDBSaver = await saver.from_stack(self._platform.stack, **arguments)
        return opened


async def test_a_stack_by_the_aws_cli(ministack: Cloud) -> None:
    life = Life(ministack, AwsCli(ministack), use_async=False)
    await life.begin()
    await life.change()
    await life.end()


async def test_a_stack_by_sam(ministack: Cloud) -> None:
    life = Life(ministack, Sam(ministack), use_async=True)
    await life.begin()
    await life.change()
    await life.end()


@pytest.mark.aio
async def test_a_stack_on_another_emulator(moto: Cloud) -> None:
    life = Life(moto, Api(moto), use_async=True)
    await life.begin()
    # Moto knows no RetainExceptOnCreate, and deletes the table with its stack.


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
async def test_an_environment_as_it_is_shipped(ministack: Cloud, environment: str) -> None:
    platform = Sam(ministack, environment)
    platform.deploy()
    with DynamoDBSaver.from_stack(platform.stack, config=ministack.config, ttl_seconds=60) as saver:
        await wait_for_a_human(saver, use_async=False)


def test_a_stack_of_another_template_is_refused(ministack: Cloud) -> None:
    client = ministack.client("cloudformation")
    body = {"Resources": {"Topic": {"Type": "AWS::S3::Bucket"}}}
    client.create_stack(StackName="other", TemplateBody=json.dumps(body))
    with pytest.raises(StackError, match=r"'other'.*CREATE_COMPLETE.*outputs lack TableName"):
        DynamoDBSaver.from_stack("other", config=ministack.config)


def test_a_stack_whose_change_set_waits_is_not_ready(ministack: Cloud) -> None:
    client = ministack.client("cloudformation")
    client.create_change_set(
        StackName="waits",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
    )
    with pytest.raises(StackError, match=r"'waits'.*REVIEW_IN_PROGRESS.*still being created"):
        DynamoDBSaver.from_stack("waits", config=ministack.config)


def test_senseless_parameters_are_refused_with_the_rules_message(ministack: Cloud) -> None:
    with pytest.raises(AssertionError, match="ReadCapacity is for PROVISIONED"):
        AwsCli(ministack).deploy(TableName="senseless", ReadCapacity="5")


async def test_the_same_graph_on_a_table_of_deploy(
    make_saver: MakeSaver, endpoint_url: str, tmp_path: Path, mode: str
) -> None:
    use_async = mode != "sync"
    saver = make_saver(mode=mode, deploy=True)
    name = saver.config.table_config.table_name
    await wait_for_a_human(saver, use_async=use_async)
    cloud = Cloud(endpoint_url, tmp_path)
    ended = answer_in_a_new_process(cloud, use_async=use_async, kind="table", name=name)
    assert ended == DONE
    assert values(make_saver(table_name=name, deploy=True)) == DONE
