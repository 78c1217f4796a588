"""IAM: what deploying and its kin call is documented, and the policies are the documentation.

What the methods on data call is tested by `test_permissions.py`, on the engine. That no other
test of the whole run calls more is checked by `conftest.py`, which listens to all of them.
Together: what the run calls is the table in `docs/infrastructure.md`, and the table is the
policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import sync_session
from moto import mock_aws

from langgraph_checkpoint_dynamodb import (
    BillingMode,
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.format.requests import RUN_INDEX
from langgraph_checkpoint_dynamodb.format.thread_entries import THREAD_INDEX
from langgraph_checkpoint_dynamodb.infra.deploy import UNFINISHED
from langgraph_checkpoint_dynamodb.infra.template import load_template
from permissions import METHODS, Calls, Wire, documented, documented_of_methods
from scenarios import NOT_FOR_TENANTS, SCENARIOS
from sessions import refusal
from stacks import POLICIES, create_stack

ON_THE_TABLE_ITSELF = {"`deploy=True`", "`plan`", "`destroy`", "`from_stack`"}
OF_THE_COMMAND_LINE = {"`cli`", "`cli doctor`", "`cli` with `--scan` or `--all`"}


class Account:
    """A moto account with one table that has every setting a call of its own."""

    def __init__(self) -> None:
        self.wire = Wire()
        self._session = self.wire.watch(sync_session())
        self.config = DynamoDBTableConfig(
            table_name="chats",
            billing_mode=BillingMode.PROVISIONED,
            **dict.fromkeys(("read_capacity", "write_capacity"), 5),
            **dict.fromkeys(("min_read_capacity", "min_write_capacity"), 1),
            **dict.fromkeys(("max_read_capacity", "max_write_capacity"), 9),
            enable_run_index=True,
            enable_ttl=True,
            enable_point_in_time_recovery=True,
        )

    def saver(self, *, deploy: bool = False) -> DynamoDBSaver:
        return DynamoDBSaver(self.reach(table_config=self.config), deploy=deploy)

    def reach(self, **settings: Any) -> DynamoDBConfig:
        return DynamoDBConfig(session=self._session, max_retries=0, **settings)

    def refuse(self, operation: str) -> None:
        """As DynamoDB does, unlike moto, when TTL is enabled twice."""

        def fail(**_: Any) -> None:
            raise refusal("ValidationException")

        self._session.events.register(f"before-call.dynamodb.{operation}", fail)

    def plain(self, service: str) -> Any:
        return sync_session().client(service)


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


def test_deploy_calls_what_is_documented(account: Account) -> None:
    with account.wire.open():
        account.saver(deploy=True)
    # Interrupted before the end: TTL is on already.
    dynamodb = account.plain("dynamodb")
    arn = dynamodb.describe_table(TableName="chats")["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": UNFINISHED, "Value": "true"}])
    account.refuse("UpdateTimeToLive")
    with account.wire.open():
        account.saver(deploy=True)
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == []
    assert account.wire.actions == documented()["`deploy=True`"]


def test_plan_calls_what_is_documented(account: Account) -> None:
    saver = account.saver(deploy=True)
    with account.wire.open():
        assert saver.plan().drift == ()
    assert account.wire.actions == documented()["`plan`"]


def test_destroy_calls_what_is_documented(account: Account) -> None:
    saver = account.saver(deploy=True)
    with account.wire.open():
        saver.destroy()
    assert account.wire.actions == documented()["`destroy`"]


def test_from_stack_calls_what_is_documented(account: Account) -> None:
    create_stack("checkpoints", {"TableName": "chats"})
    with account.wire.open():
        saver = DynamoDBSaver.from_stack("checkpoints", config=account.reach())
    assert saver.config.table_config.table_name == "chats"
    assert account.wire.actions == documented()["`from_stack`"]


def test_the_page_lists_every_variant_and_no_other() -> None:
    assert set(documented()) == set(SCENARIOS) | ON_THE_TABLE_ITSELF | OF_THE_COMMAND_LINE
    assert set(documented_of_methods()) == set(METHODS.values())


CALLS = {"`get_tuple`", "`list`", "`get_delta_channel_history`", "`warm`", "`list_threads`"}
RUNTIME = CALLS | {"`put` with `enable_thread_index=False`", "`put` with `fence`", "`put_writes`"}
UPDATES = {
    "`get_delta_channel_history` with `ttl_seconds`",
    "`put` with delta channels and `ttl_seconds`",
    *("`put`", "`set_thread`"),
}
READ_ONLY = CALLS | {
    *("`list(None)`", "`list_threads` of all owners"),
    *("`verify`", "`storage`", "`verify` of the table"),
}
SHARED = {name for name in SCENARIOS if "share_puts" in name}


def statements_of(policy: str) -> dict[str, Any]:
    """The statements by their ids, also those that a condition adds."""
    document = load_template()["Resources"][policy]["Properties"]["PolicyDocument"]
    found = [one["Fn::If"][1] if "Fn::If" in one else one for one in document["Statement"]]
    return {statement["Sid"]: statement for statement in found}


def actions_of(policy: str, *without: str) -> list[str]:
    kept = [one for sid, one in statements_of(policy).items() if sid not in without]
    return [action for statement in kept for action in statement["Action"]]


def needed(*names: str) -> set[str]:
    """On the stack's own table: what `migrate` reads in S3 is another program's."""
    actions = set().union(*(documented()[name] for name in names))
    return {action for action in actions if not action.startswith("s3:")}


KEY = "KeyThroughDynamoDB"


@pytest.mark.parametrize(
    ("policy", "without", "rows"),
    [
        ("RuntimePolicy", [KEY, "Updates"], RUNTIME),
        ("RuntimePolicy", [KEY], RUNTIME | UPDATES),
        ("ReadOnlyPolicy", [KEY], READ_ONLY),
        ("MaintenancePolicy", [KEY], SCENARIOS.keys() - SHARED),
        ("OperatorPolicy", [KEY], READ_ONLY | {"`plan`", "`from_stack`"}),
        # `erase_owner` also describes backups, which no keys limit.
        ("TenantPolicy", [KEY], SCENARIOS.keys() - NOT_FOR_TENANTS - {"`erase_owner`"}),
    ],
)
def test_a_policy_allows_what_its_methods_call_and_no_more(
    policy: str, without: list[str], rows: set[str]
) -> None:
    assert set(actions_of(policy, *without)) == needed(*rows)


def test_a_graph_needs_five_actions_and_four_without_the_index_of_threads() -> None:
    assert len(needed(*RUNTIME, "`put`")) == 5
    assert len(needed(*RUNTIME)) == 4


def test_a_policy_is_for_the_stacks_own_table_and_indexes() -> None:
    table = {"Fn::GetAtt": ["Table", "Arn"]}
    runs, threads = (
        {"Fn::Sub": f"${{Table.Arn}}/index/{name}"} for name in (RUN_INDEX, THREAD_INDEX)
    )
    for policy in ("ReadOnlyPolicy", "MaintenancePolicy", "OperatorPolicy"):
        assert statements_of(policy)["Checkpoints"]["Resource"] == [table, runs, threads]
    runtime = statements_of("RuntimePolicy")
    assert runtime["Checkpoints"]["Resource"] == [table, threads]
    assert runtime["Updates"]["Resource"] == table
    tenants = statements_of("TenantPolicy")["ThreadsOfTheTenant"]
    # The run-id index has keys that name no tenant; that of threads has the owners.
    assert tenants["Resource"] == [table, threads]
    assert tenants["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/TenantId}:*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_policy_allows_the_stacks_key_through_dynamodb_only(policy: str) -> None:
    statement = statements_of(policy)[KEY]
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}
    through = {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": through}}
    reads = {"kms:Decrypt", "kms:DescribeKey"}
    writes = {"kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"}
    writes |= {"kms:ReEncryptFrom", "kms:ReEncryptTo"}
    is_reader = policy in {"ReadOnlyPolicy", "OperatorPolicy"}
    assert set(statement["Action"]) == (reads if is_reader else reads | writes)


def test_a_call_that_is_not_documented_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `conftest.py` asks after every test."""
    calls = Calls()
    with mock_aws(), calls.recorded():
        DynamoDBSaver(DynamoDBConfig(session=sync_session()), deploy=True).delete_for_runs(["run"])
    assert ("delete_for_runs", "dynamodb:Scan") in calls.found
    assert calls.undocumented() == []
    monkeypatch.setitem(METHODS, "delete_for_runs", "put")
    assert calls.undocumented() == ["put calls dynamodb:Scan"]
