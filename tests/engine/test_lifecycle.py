"""Making, sharing, closing and destroying a saver."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
import threading
from importlib.metadata import version
from typing import Any

import pytest
from botocore.config import Config
from botocore.validate import ParamValidator
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from capacity import Costs
from clients import async_session, sync_session
from either import Either
from langgraph_checkpoint_dynamodb import (
    DynamoDBConfig,
    DynamoDBSaver,
    TableNotFoundError,
)
from langgraph_checkpoint_dynamodb.errors import DISTRIBUTION
from langgraph_checkpoint_dynamodb.runtime.effects import DYNAMODB
from threads import LARGE, chain, config_of, load_all, put

OURS = f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
SECRETS = ("SECRETID", "SECRETKEY", "SECRETTOKEN")
CREDENTIALS = dict(
    zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), SECRETS, strict=True)
)


def test_making_a_saver_sends_nothing(make_saver: Any) -> None:
    costs = Costs()
    make_saver(costs=costs, deploy=False)
    assert costs.requests == 0


async def test_the_first_call_on_a_missing_table_says_what_to_do(
    make_saver: Any, mode: str
) -> None:
    client = Either(make_saver(mode=mode, deploy=False), use_async=mode != "sync")
    table = client.target.config.table_config.table_name
    for call in (
        client.get_tuple(config_of("t")),
        client.list(config_of("t")),
        client.put_writes(config_of("t", checkpoint_id="1"), [("a", 1)], "task"),
        client.delete_thread("t"),
    ):
        with pytest.raises(TableNotFoundError, match=f"'{table}'.*deploy=True.*template.yaml"):
            await call


async def test_destroy_deletes_the_table_and_may_be_repeated(client: Either) -> None:
    await chain(client, "t", 1)
    await client.destroy()
    await client.destroy()
    with pytest.raises(TableNotFoundError):
        await client.get_tuple(config_of("t"))


async def test_a_closed_saver_opens_again_on_the_next_call(client: Either) -> None:
    configs = await chain(client, "t", 1)
    await client.close()
    await client.close()
    assert (await client.get_tuple(configs[0])).config == configs[0]


async def test_a_saver_is_a_context_manager(make_saver: Any) -> None:
    with make_saver() as saver:
        assert saver.get_tuple(config_of("t")) is None
    async with make_saver() as saver:
        assert await saver.aget_tuple(config_of("t")) is None


def test_credentials_show_nowhere(endpoint_url: str, caplog: pytest.LogCaptureFixture) -> None:
    # Not DEBUG: botocore itself logs requests with their credential scope there.
    caplog.set_level(logging.INFO)
    config = DynamoDBConfig(endpoint_url=endpoint_url, region_name="eu-west-1", **CREDENTIALS)
    saver = DynamoDBSaver(config)
    with pytest.raises(TableNotFoundError) as raised:
        saver.get_tuple(config_of("t"))
    shown = f"{config!r} {config} {saver!r} {raised.value!r} {caplog.text}"
    assert not [secret for secret in SECRETS if secret in shown]


async def test_get_returns_the_checkpoint_alone(client: Either) -> None:
    configs = await chain(client, "t", 1)
    assert (await client.get(configs[0]))["channel_values"]["document"] == LARGE
    assert await client.get(config_of("none")) is None
    assert client.target.config_specs == []


async def test_a_serde_assigned_after_construction_is_used(client: Either, scan: Any) -> None:
    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"0123456789abcdef")
    client.target.serde = serde
    parent = await put(client, config_of("t"), {"text": "plainword" * 500}, {"who": "plainword"})
    await client.put_writes(parent, [("plainword", "plainword" * 2_000)], "task")
    stored = scan(client.target.config.table_config.table_name)
    assert len(stored) > 2
    assert b"plainword" not in b"".join(item["B"]["B"] for item in stored if "B" in item)
    found = await client.get_tuple(config_of("t"))
    assert found.checkpoint["channel_values"] == {"text": "plainword" * 500}
    assert found.pending_writes == [("task", "plainword", "plainword" * 2_000)]


async def test_a_clone_with_an_allowlist_shares_table_and_cache(client: Either) -> None:
    client.target.serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    clone = client.target.with_allowlist([("threads", "Thing")])
    assert clone is not client.target
    parent = await put(client, config_of("t"), {"document": LARGE})
    other = Either(clone, use_async=client._prefix == "a")
    await put(other, parent, {"document": LARGE})
    assert len(await load_all(other, "t")) == 2


def test_a_second_event_loop_gets_a_client_of_its_own(make_saver: Any) -> None:
    client = Either(make_saver(), use_async=True)
    configs = asyncio.run(chain(client, "t", 2))
    assert asyncio.run(client.get_tuple(configs[-1])).config == configs[-1]


def test_two_loops_in_two_threads_work_at_once(make_saver: Any) -> None:
    client = Either(make_saver(), use_async=True)
    failures: list[BaseException] = []

    async def work(name: str) -> None:
        for round_ in range(5):
            await chain(client, f"{name}-{round_}", 3)
            assert len(await load_all(client, f"{name}-{round_}")) == 3

    def run(name: str) -> None:
        try:
            asyncio.run(work(name))
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


ENDINGS = {
    "asyncio.run": "asyncio.run(work())",
    "twice": "asyncio.run(work()); asyncio.run(work())",
    "raw loop": "loop = asyncio.new_event_loop(); loop.run_until_complete(work()); loop.close()",
    "never closed": "loop = asyncio.new_event_loop(); loop.run_until_complete(work())",
    "closed by hand": "asyncio.run(work()); saver.close()",
    "closed from outside": (
        "loop = asyncio.new_event_loop(); loop.run_until_complete(work()); saver.close()"
    ),
    "collected": "asyncio.run(work()); del saver; gc.collect()",
    "in a thread": "t = threading.Thread(target=lambda: asyncio.run(work())); t.start(); t.join()",
    "crashed": "asyncio.run(crash())",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_unclosed_warning_is_printed(make_saver: Any, endpoint_url: str, ending: str) -> None:
    table = make_saver().config.table_config.table_name
    script = f"""
import asyncio, gc, threading, warnings
warnings.simplefilter("always", ResourceWarning)
from langgraph_checkpoint_dynamodb import *
saver = DynamoDBSaver(DynamoDBConfig(
    table_config=DynamoDBTableConfig(table_name={table!r}), endpoint_url={endpoint_url!r},
    region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"))
async def work():
    config = {{"configurable": {{"thread_id": "t"}}}}
    assert (await asyncio.gather(*(saver.aget_tuple(config) for _ in range(5)))) == [None] * 5
async def crash():
    await work()
    raise SystemExit(0)
{ENDINGS[ending]}
gc.collect()
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "nclosed" in line]
    # A loop that the script itself leaves open is the script's to close.
    assert [line for line in lines if "unclosed event loop" not in line] == []


def test_two_processes_that_deploy_at_once_both_succeed(endpoint_url: str, make_saver: Any) -> None:
    table = make_saver(deploy=False).config.table_config.table_name
    script = f"""
from langgraph_checkpoint_dynamodb import *
DynamoDBSaver(DynamoDBConfig(table_config=DynamoDBTableConfig(table_name={table!r}),
    endpoint_url={endpoint_url!r}, region_name="eu-west-1", aws_access_key_id="test",
    aws_secret_access_key="test"), deploy=True).put_writes(
    {{"configurable": {{"thread_id": "t", "checkpoint_id": "1"}}}}, [("a", 1)], "task")
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(3)
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        (b"", 0)
    ] * 3


def test_a_saver_made_with_deploy_leaves_an_existing_table_as_it_is(
    make_saver: Any, dynamodb: Any
) -> None:
    saver = make_saver()
    table = saver.config.table_config
    before = dynamodb.describe_table(TableName=table.table_name)["Table"]
    make_saver(
        table_name=table.table_name, billing_mode="PROVISIONED", read_capacity=5, write_capacity=5
    )
    assert dynamodb.describe_table(TableName=table.table_name)["Table"] == before


def test_a_botocore_config_is_merged_over_ours(make_saver: Any) -> None:
    saver = make_saver(botocore_config=Config(user_agent_extra="mine", max_pool_connections=3))
    settings = saver._sync._get_client().meta.config
    assert (settings.max_pool_connections, settings.retries["total_max_attempts"]) == (3, 1)
    assert "mine" in settings.user_agent


async def test_botocore_does_not_check_again_what_the_saver_made(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(*_: Any) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr(ParamValidator, "validate", validate)
    config = await put(client, config_of("t"), {"a": LARGE})
    assert await client.get_tuple(config) is not None


@pytest.fixture
async def header_of(make_saver: Any, mode: str) -> Any:
    """The User-Agent header of a request that a saver sends."""
    found: list[str] = []

    def record(request: Any, **_: Any) -> None:
        header = request.headers["User-Agent"]
        found.append(header.decode() if isinstance(header, bytes) else header)

    async def ask(**overrides: Any) -> str:
        saver = make_saver(mode=mode, **overrides)
        native = mode == "async"
        client = await saver._async._clients.get(DYNAMODB) if native else saver._sync._get_client()
        client.meta.events.register("before-send.dynamodb", record)
        await Either(saver, use_async=mode != "sync").get_tuple(config_of("t"))
        return found.pop()

    return ask


async def test_the_user_agent_names_the_saver_beside_botocore(header_of: Any) -> None:
    header = await header_of()
    assert header.count(OURS) == 1
    assert re.search(r"botocore/1\.", header, re.IGNORECASE)


async def test_an_application_id_is_kept_wherever_it_is_set(
    header_of: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = {"session": sync_session()}
    if mode == "async":
        sessions["async_session"] = async_session()
    headers = [await header_of(botocore_config=Config(user_agent_appid="checkout"))]
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "checkout")
    headers += [await header_of(), await header_of(**sessions)]
    for header in headers:
        assert "app/checkout" in header
        assert header.count(OURS) == 1


async def test_a_user_agent_of_the_users_comes_before_ours(header_of: Any) -> None:
    assert (await header_of(botocore_config=Config(user_agent="mine"))).startswith("mine ")
    assert (await header_of(botocore_config=Config(user_agent_extra="mine"))).endswith(" mine")


FORK = """
import asyncio, os, sys, threading
from langgraph.checkpoint.base import empty_checkpoint
from langgraph_checkpoint_dynamodb import *
endpoint_url, table_name, used_by = sys.argv[1:]
saver = DynamoDBSaver(DynamoDBConfig(
    table_config=DynamoDBTableConfig(table_name=table_name), endpoint_url=endpoint_url,
    region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"))
config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

def put(value):
    config = {"configurable": {"thread_id": str(value[:1]), "checkpoint_ns": ""}}
    values, versions = {"a": value}, {"a": "1"}
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
    saver.put(config, checkpoint, {}, versions)
    assert saver.get_tuple(config).checkpoint["channel_values"] == values

put(b"x" * 100_000)
if used_by == "a loop":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(saver.aget_tuple(config))
# What other threads of the parent held when it forked is held for ever in the child.
holders = (saver._cache, saver._in_flight, saver._sync, saver._sync._gathering, saver._async)
locks = [holder._lock for holder in (*holders, saver._async._clients)]
for lock in locks:
    lock.acquire()
child = os.fork()
if not child:
    connections = set(saver._sync._clients.values())
    put(b"y" * 100_000)
    asyncio.run(saver.aget_tuple(config))
    saver.close()
    sys.exit(7 if not connections else 1)
for lock in locks:
    lock.release()
put(b"z" * 100_000)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
put(b"z" * 100_000)
if used_by == "a loop":
    loop.run_until_complete(saver.aget_tuple(config))
    loop.close()
"""


@pytest.mark.parametrize("used_by", ["calls", "a loop"])
def test_a_forked_child_begins_anew(make_saver: Any, endpoint_url: str, used_by: str) -> None:
    table = make_saver().config.table_config.table_name
    arguments = (endpoint_url, table, used_by)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_close_inside_a_loop_closes_those_of_idle_loops_too(make_saver: Any) -> None:
    saver = make_saver(deploy=True)
    idle = asyncio.new_event_loop()
    idle.run_until_complete(saver.aget_tuple(config_of("t")))

    async def close() -> None:
        await saver.aget_tuple(config_of("t"))
        saver.close()

    asyncio.run(close())
    assert not saver._async._clients._loops
    idle.close()


async def test_aclose_waits_for_cancelled_calls_beside_the_loop(make_saver: Any) -> None:
    saver = make_saver(mode="threads")
    gate = threading.Event()
    saver._sync.submit(gate.wait)
    closing = asyncio.ensure_future(saver.aclose())
    await asyncio.sleep(0.05)
    assert not closing.done()
    gate.set()
    await closing


def test_threads_can_be_used_while_another_closes(make_saver: Any) -> None:
    driver = make_saver(deploy=False)._sync
    stop = threading.Event()

    def close() -> None:
        while not stop.is_set():
            driver.close()

    closer = threading.Thread(target=close)
    closer.start()
    try:
        assert [driver.submit(lambda n=n: n).result() for n in range(2000)] == list(range(2000))
    finally:
        stop.set()
        closer.join()
