"""`plan`: what it makes of what AWS describes, by scripted replies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploying import (
    DESCRIBE,
    FULL,
    KEYS,
    MISSING,
    NAME,
    SCALED,
    UNFINISHED,
    dimension,
    keys_of,
    play,
    refused,
    table,
)
from descriptions import (
    AUTOSCALED,
    FIXED,
    MANAGED_KEY,
    ON_DEMAND,
    OTHER_KEY,
    SCALED_INDEX,
    WITH_INDEX,
    WITHOUT_INDEX,
    WITHOUT_SETTINGS,
    described,
    look,
    scaling_of,
)
from langgraph_checkpoint_dynamodb.config.table_config import (
    BillingMode,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.errors import (
    AccessDeniedError,
    StorageError,
    TableNotFoundError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.infra.api_calls import requests_of
from langgraph_checkpoint_dynamodb.infra.compare import TRACKING
from langgraph_checkpoint_dynamodb.infra.plan import Drift, Plan, Unknown, plan
from langgraph_checkpoint_dynamodb.infra.template import SETTINGS
from langgraph_checkpoint_dynamodb.runtime.effects import AUTOSCALING, OF_ANOTHER_PLACE, Call
from stacks import KMS_KEY, PROVISIONED

CHANGES: list[tuple[str, DynamoDBTableConfig, Any, dict[str, Any]]] = [
    ("environment", ON_DEMAND, "test", {}),
    ("environment", ON_DEMAND, None, {}),
    ("table_class", ON_DEMAND, TableClass.STANDARD_INFREQUENT_ACCESS, {}),
    ("enable_run_index", ON_DEMAND, True, {}),
    ("enable_thread_index", WITHOUT_SETTINGS, False, {}),
    ("enable_thread_index", WITHOUT_INDEX, True, {}),
    ("billing_mode", WITHOUT_SETTINGS, BillingMode.PROVISIONED, PROVISIONED),
    (
        "billing_mode",
        FIXED,
        BillingMode.PAY_PER_REQUEST,
        {"read_capacity": None, "write_capacity": None, "max_read_request_units": 11},
    ),
    ("read_capacity", FIXED, 6, {}),
    ("write_capacity", FIXED, 6, {}),
    ("min_read_capacity", AUTOSCALED, 3, {}),
    ("max_read_capacity", AUTOSCALED, 51, {}),
    ("min_write_capacity", AUTOSCALED, 2, {}),
    ("max_write_capacity", AUTOSCALED, 61, {}),
    ("target_utilization", AUTOSCALED, 71, {}),
    ("scale_in_cooldown", AUTOSCALED, 300, {}),
    ("scale_out_cooldown", AUTOSCALED, 60, {}),
    ("max_read_request_units", ON_DEMAND, 12, {}),
    ("max_read_request_units", ON_DEMAND, None, {}),
    ("max_write_request_units", ON_DEMAND, 12, {}),
    ("warm_read_units", ON_DEMAND, 20_000, {}),
    ("warm_write_units", ON_DEMAND, 9_000, {}),
    ("enable_encryption", WITHOUT_SETTINGS, False, {}),
    ("kms_key_arn", ON_DEMAND, OTHER_KEY, {}),
    ("enable_point_in_time_recovery", ON_DEMAND, False, {}),
    ("point_in_time_recovery_days", ON_DEMAND, 7, {}),
    ("enable_deletion_protection", ON_DEMAND, True, {}),
    ("enable_ttl", ON_DEMAND, False, {}),
    ("ttl_attribute", ON_DEMAND, "expires", {}),
]


def test_every_setting_is_changed_below() -> None:
    # A table of another name is another table.
    # What an index is read with is a setting of the index.
    elsewhere = {"table_name", "index_read_capacity"}
    assert {setting for setting, *_ in CHANGES} == {*SETTINGS.values()} - elsewhere


@pytest.mark.parametrize(("setting", "base", "value", "more"), CHANGES)
def test_a_changed_setting_is_all_the_drift(
    setting: str, base: DynamoDBTableConfig, value: Any, more: dict[str, Any]
) -> None:
    changed = replace(base, **{**more, setting: value})
    was = getattr(base, setting)
    assert look(base, described(base)) == nothing_to_do()
    assert look(changed, described(changed)) == nothing_to_do()
    assert look(changed, described(base)) == nothing_to_do(Drift(setting, value, was))


def nothing_to_do(*drift: Drift) -> Plan:
    return Plan(NAME, exists=True, stack=None, calls=(), drift=drift, unknown=())


def change(replies: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Put a value into the replies; `None` takes away what is there."""
    *parents, name = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = replies
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[name]
    elif isinstance(place, list) and name == len(place):
        place.append(value)
    else:
        place[name] = value
    return replies


TABLE = "describe_table.Table"
READS = f"{TABLE}.ProvisionedThroughput.ReadCapacityUnits"
CAPACITY = "ProvisionedThroughput"
INDEX = f"{TABLE}.GlobalSecondaryIndexes.0"
WARM = "WarmThroughput.WriteUnitsPerSecond"
WRITES = f"{TABLE}.ProvisionedThroughput.WriteCapacityUnits"
KEY = f"{TABLE}.SSEDescription.KMSMasterKeyArn"
TTL = "describe_time_to_live.TimeToLiveDescription.TimeToLiveStatus"
INCLUDED = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["B", "A"]}
RECOVERY = (
    "describe_continuous_backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription"
    ".PointInTimeRecoveryStatus"
)
POLICIES = "describe_scaling_policies.ScalingPolicies"
TARGETS = "describe_scalable_targets.ScalableTargets"

NO_MAXIMA = {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
OTHER_ATTRIBUTES = [*KEYS["AttributeDefinitions"], {"AttributeName": "R", "AttributeType": "B"}]
AIM = "TargetTrackingScalingPolicyConfiguration"
OTHER_AIM = {**dimension("Read"), AIM: {"TargetValue": 50.0}}

SAME: list[tuple[DynamoDBTableConfig, str, Any]] = [
    (ON_DEMAND, TTL, "ENABLING"),
    (ON_DEMAND, f"{TABLE}.TableStatus", "UPDATING"),
    (ON_DEMAND, f"{TABLE}.SSEDescription.Status", "UPDATING"),
    (ON_DEMAND, f"{TABLE}.TableClassSummary", {"TableClass": "STANDARD"}),
    (ON_DEMAND, f"{TABLE}.DeletionProtectionEnabled", None),
    (ON_DEMAND, f"{TABLE}.AttributeDefinitions", OTHER_ATTRIBUTES),
    (FIXED, f"{TABLE}.BillingModeSummary", {"BillingMode": "PROVISIONED"}),
    (WITHOUT_SETTINGS, f"{TABLE}.OnDemandThroughput", NO_MAXIMA),
    (WITHOUT_INDEX, f"{TABLE}.GlobalSecondaryIndexes", []),
    (WITH_INDEX, f"{INDEX}.IndexStatus", "CREATING"),
    # Autoscaling moves capacities within their bounds.
    (AUTOSCALED, READS, 2),
    (AUTOSCALED, READS, 50),
    (AUTOSCALED, WRITES, 60),
    (AUTOSCALED, f"{POLICIES}.2", {**dimension("Read"), "PolicyType": "StepScaling"}),
    (SCALED_INDEX, f"{INDEX}.{CAPACITY}.ReadCapacityUnits", 50),
    (replace(FIXED, index_read_capacity=2), f"{TABLE}.DeletionProtectionEnabled", False),
]


@pytest.mark.parametrize(("config", "path", "value"), SAME)
def test_what_comes_to_the_same_is_no_drift(
    config: DynamoDBTableConfig, path: str, value: Any
) -> None:
    assert look(config, change(described(config), path, value)) == nothing_to_do()


@pytest.mark.parametrize(
    ("config", "path", "value", "drift"),
    [
        (ON_DEMAND, TTL, "DISABLING", Drift("enable_ttl", True, False)),
        (ON_DEMAND, RECOVERY, "DISABLED", Drift("enable_point_in_time_recovery", True, False)),
        (ON_DEMAND, KEY, OTHER_KEY, Drift("kms_key_arn", KMS_KEY, OTHER_KEY)),
        (
            WITHOUT_SETTINGS,
            f"{TABLE}.SSEDescription",
            None,
            Drift("enable_encryption", True, False),
        ),
        (AUTOSCALED, READS, 1, Drift("read_capacity", 5, 1)),
        (AUTOSCALED, READS, 51, Drift("read_capacity", 5, 51)),
        (AUTOSCALED, WRITES, 2, Drift("write_capacity", 7, 2)),
        (WITHOUT_SETTINGS, KEY, KMS_KEY, Drift("kms_key_arn", None, KMS_KEY)),
        (ON_DEMAND, KEY, MANAGED_KEY, Drift("kms_key_arn", KMS_KEY, MANAGED_KEY)),
        (
            *(AUTOSCALED, f"{POLICIES}.1.{AIM}.ScaleInCooldown", 9),
            Drift("scale_in_cooldown", 0, {"read": 0, "write": 9}),
        ),
        (
            *(replace(WITH_INDEX, warm_write_units=9_000), f"{INDEX}.{WARM}", 8_999),
            Drift("warm_write_units", 9_000, 8_999, "run-id"),
        ),
        (
            *(AUTOSCALED, f"{POLICIES}.0", OTHER_AIM),
            Drift("target_utilization", 70, {"read": 50, "write": 70}),
        ),
        (
            *(AUTOSCALED, f"{POLICIES}.2", OTHER_AIM),
            Drift("target_utilization", 70, {"read": [50, 70], "write": 70}),
        ),
        (
            *(AUTOSCALED, f"{POLICIES}.1.{AIM}.TargetValue", 70.9),
            Drift("target_utilization", 70, {"read": 70, "write": 70.9}),
        ),
        (
            *(replace(FIXED, enable_run_index=True), f"{INDEX}.{CAPACITY}.ReadCapacityUnits", 5),
            Drift("read_capacity", 1, 5, "run-id"),
        ),
        (SCALED_INDEX, f"{TARGETS}.2.MinCapacity", 2, Drift("min_read_capacity", 1, 2, "run-id")),
        (SCALED_INDEX, f"{TARGETS}.2.MaxCapacity", 9, Drift("max_read_capacity", 50, 9, "run-id")),
        (
            *(WITH_INDEX, f"{INDEX}.KeySchema", [{"AttributeName": "PK", "KeyType": "HASH"}]),
            Drift("keys", "R (B, HASH)", "PK (S, HASH)", "run-id"),
        ),
        (
            *(WITH_INDEX, f"{INDEX}.Projection.ProjectionType", "ALL"),
            Drift("projection", "KEYS_ONLY", "ALL", "run-id"),
        ),
        (
            *(WITH_INDEX, f"{INDEX}.Projection", INCLUDED),
            Drift("projection", "KEYS_ONLY", "INCLUDE, A, B", "run-id"),
        ),
        (
            *(WITH_INDEX, f"{INDEX}.OnDemandThroughput.MaxReadRequestUnits", -1),
            Drift("max_read_request_units", 11, None, "run-id"),
        ),
        (
            *(SCALED_INDEX, f"{INDEX}.{CAPACITY}.WriteCapacityUnits", 1),
            Drift("write_capacity", 7, 1, "run-id"),
        ),
        (WITH_INDEX, f"{INDEX}.IndexStatus", "DELETING", Drift("enable_run_index", True, False)),
    ],
)
def test_what_was_changed_by_hand_is_drift(
    config: DynamoDBTableConfig, path: str, value: Any, drift: Drift
) -> None:
    assert look(config, change(described(config), path, value)) == nothing_to_do(drift)


def test_a_policy_that_was_removed_is_drift_of_all_that_it_says() -> None:
    replies = change(described(AUTOSCALED), POLICIES, [])
    assert look(AUTOSCALED, replies) == nothing_to_do(
        Drift("target_utilization", 70, None),
        Drift("scale_in_cooldown", 0, None),
        Drift("scale_out_cooldown", 0, None),
    )


def test_a_policy_that_an_index_lacks_is_drift_of_its_kind() -> None:
    replies = change(described(SCALED_INDEX), f"{POLICIES}.3", None)
    assert look(SCALED_INDEX, replies) == nothing_to_do(
        Drift("target_utilization", 70, {"read": 70, "write": None}, "run-id"),
        Drift("scale_in_cooldown", 0, {"read": 0, "write": None}, "run-id"),
        Drift("scale_out_cooldown", 0, {"read": 0, "write": None}, "run-id"),
    )


def test_a_policy_without_cooldowns_has_those_of_aws() -> None:
    replies = described(AUTOSCALED)
    for policy in replies["describe_scaling_policies"]["ScalingPolicies"]:
        for name in ("ScaleInCooldown", "ScaleOutCooldown"):
            policy[AIM] = {key: value for key, value in policy[AIM].items() if key != name}
    assert look(AUTOSCALED, replies) == nothing_to_do()


@pytest.mark.parametrize("units", [20_000, 40_000])
def test_warm_units_that_grew_are_no_drift(units: int) -> None:
    config = replace(ON_DEMAND, warm_read_units=20_000)
    replies = described(replace(config, warm_read_units=units, warm_write_units=units))
    assert look(config, replies) == nothing_to_do()


def test_warm_units_that_an_engine_does_not_describe_are_unknown() -> None:
    config = replace(WITH_INDEX, warm_write_units=9_000)
    replies = described(config)
    table = replies["describe_table"]["Table"]
    for part in (table, *table["GlobalSecondaryIndexes"]):
        del part["WarmThroughput"]
    assert look(config, replies) == replace(
        nothing_to_do(),
        unknown=tuple(
            Unknown("warm_write_units", NOT_DESCRIBED, part) for part in (None, "run-id")
        ),
    )


BOUNDS = ["min_read_capacity", "max_read_capacity", "min_write_capacity", "max_write_capacity"]


def bounds(index: str | None = None) -> list[Drift]:
    wanted = {bound: getattr(AUTOSCALED, bound) for bound in BOUNDS}
    if index:
        wanted["min_read_capacity"] = AUTOSCALED.index_read_capacity
    return [Drift(bound, units, None, index) for bound, units in wanted.items()]


def test_scaling_that_was_removed_is_drift_of_its_bounds() -> None:
    replies = {**described(SCALED_INDEX), **scaling_of(FIXED)}
    expected = [*bounds(), *bounds("run-id")]
    assert look(SCALED_INDEX, replies) == nothing_to_do(*expected)


def test_scaling_that_an_index_lacks_is_drift_of_its_bounds() -> None:
    replies = {**described(SCALED_INDEX), **scaling_of(AUTOSCALED)}
    assert look(SCALED_INDEX, replies) == nothing_to_do(*bounds("run-id"))


def test_scaling_that_was_added_is_drift_of_its_bounds() -> None:
    replies = {**described(FIXED), **scaling_of(AUTOSCALED)}
    expected = [Drift(bound, None, getattr(AUTOSCALED, bound)) for bound in BOUNDS]
    assert look(FIXED, replies) == nothing_to_do(*expected)


@pytest.mark.parametrize("method", ["describe_scalable_targets", "describe_scaling_policies"])
def test_a_table_without_provisioned_capacity_is_not_asked_for_scaling(method: str) -> None:
    for config in (WITHOUT_SETTINGS, replace(AUTOSCALED, table_name=NAME)):
        replies = described(WITHOUT_SETTINGS)
        del replies[method]
        look(config, replies)


def test_kms_is_asked_only_if_a_key_was_found_and_none_is_configured() -> None:
    not_encrypted = replace(WITHOUT_SETTINGS, enable_encryption=False)
    for config in (ON_DEMAND, not_encrypted):
        replies = described(config)
        del replies["describe_key"]
        assert look(config, replies) == nothing_to_do()


def test_a_key_is_a_customers_if_the_account_has_no_managed_one() -> None:
    replies = {**described(ON_DEMAND), "describe_key": refused("NotFoundException")}
    config = replace(ON_DEMAND, kms_key_arn=None)
    assert look(config, replies) == nothing_to_do(Drift("kms_key_arn", None, KMS_KEY))


def test_another_index_is_drift() -> None:
    replies = change(described(WITH_INDEX), f"{INDEX}.IndexName", "by-run")
    assert look(WITH_INDEX, replies) == nothing_to_do(
        Drift("enable_run_index", True, False), Drift("keys", None, "R (B, HASH)", "by-run")
    )


def test_other_keys_are_drift() -> None:
    replies = described(WITHOUT_INDEX)
    replies["describe_table"]["Table"] |= keys_of(("id", "N", "HASH"))
    found = look(WITHOUT_INDEX, replies)
    assert found == nothing_to_do(Drift("keys", "PK (S, HASH), SK (S, RANGE)", "id (N, HASH)"))


@pytest.mark.parametrize(
    ("partition_key", "key", "writer"),
    [
        ("t", "#checkpoint#1ef", "langgraph-checkpoint-amazon-dynamodb 0.1.3"),
        ("t", "child:1#write#1ef#task#0", "langgraph-checkpoint-amazon-dynamodb 0.1.3"),
        ("CHECKPOINT_t", "#1ef", "langgraph-checkpoint-aws"),
    ],
)
def test_items_of_other_savers_are_drift(partition_key: str, key: str, writer: str) -> None:
    replies = described(WITHOUT_SETTINGS)
    replies["scan"]["Items"].append({"PK": {"S": partition_key}, "SK": {"S": key}})
    (drift,) = look(WITHOUT_SETTINGS, replies).drift
    assert (drift.setting, drift.configured) == ("items", "of this package")
    assert drift.found == f"of {writer}: copy their threads with migrate()"


def test_throughput_of_another_mode_is_not_compared() -> None:
    found = look(FIXED, described(ON_DEMAND))
    assert {"read_capacity", "write_capacity", "max_read_request_units"}.isdisjoint(
        drift.setting for drift in found.drift
    )


@pytest.mark.parametrize("config", [WITHOUT_SETTINGS, FULL, SCALED])
@pytest.mark.parametrize("answer", [MISSING, table("DELETING")])
def test_a_missing_table_would_be_made(config: DynamoDBTableConfig, answer: Any) -> None:
    """A table that is going away is waited for, and then made."""
    requests = requests_of(config)
    assert play(plan(config), (DESCRIBE, answer)) == Plan(
        NAME,
        exists=False,
        stack=None,
        calls=(requests.create_table, *requests.settings),
        drift=(),
        unknown=(),
    )


def test_an_unfinished_table_would_be_finished() -> None:
    replies = described(WITHOUT_SETTINGS)
    replies["list_tags_of_resource"]["Tags"] = [{"Key": UNFINISHED, "Value": "true"}]
    found = look(FULL, replies)
    assert found.calls == requests_of(FULL).settings
    assert [drift.setting for drift in found.drift] == [
        "enable_point_in_time_recovery",
        "enable_ttl",
    ]
    assert look(WITHOUT_SETTINGS, replies) == nothing_to_do()


def test_the_stack_that_owns_the_table_is_told() -> None:
    replies = described(ON_DEMAND)
    tag = {"Key": "aws:cloudformation:stack-name", "Value": "chats-stack"}
    replies["list_tags_of_resource"]["Tags"].append(tag)
    assert look(ON_DEMAND, replies) == replace(nothing_to_do(), stack="chats-stack")


LACKING: dict[str, tuple[str, ...]] = {
    "list_tags_of_resource": ("environment",),
    "describe_time_to_live": ("enable_ttl",),
    "describe_continuous_backups": (
        "enable_point_in_time_recovery",
        "point_in_time_recovery_days",
    ),
    "describe_key": ("kms_key_arn",),
    "describe_scalable_targets": tuple(BOUNDS),
    "describe_scaling_policies": TRACKING,
    "scan": ("items",),
}
EVERYTHING = replace(SCALED_INDEX, environment="prod", enable_point_in_time_recovery=True)
NOT_DESCRIBED = "this engine does not describe it"


def unknown(reason: str, method: str) -> tuple[Unknown, ...]:
    parts = [None, "run-id"] if "scal" in method else [None]
    settings = LACKING[method]
    return tuple(Unknown(setting, reason, part) for part in parts for setting in settings)


@pytest.mark.parametrize("code", ["UnknownOperationException", "InvalidAction", OF_ANOTHER_PLACE])
@pytest.mark.parametrize("method", LACKING)
def test_what_an_engine_lacks_is_unknown(method: str, code: str) -> None:
    replies = {**described(EVERYTHING), method: refused(code)}
    expected = unknown(NOT_DESCRIBED, method)
    assert look(EVERYTHING, replies) == replace(nothing_to_do(), unknown=expected)


@pytest.mark.parametrize("kind", [AccessDeniedError, UnavailableError, TableNotFoundError])
@pytest.mark.parametrize("method", LACKING)
def test_what_a_failing_call_describes_is_unknown_and_the_rest_is_compared(
    method: str, kind: type[StorageError]
) -> None:
    error = refused("SomeException", kind)
    replies = change(described(EVERYTHING), f"{TABLE}.DeletionProtectionEnabled", True)
    stack = (Unknown("stack", str(error)),) if method == "list_tags_of_resource" else ()
    assert look(EVERYTHING, {**replies, method: error}) == replace(
        nothing_to_do(Drift("enable_deletion_protection", False, True)),
        unknown=(*stack, *unknown(str(error), method)),
    )


def test_settings_that_are_off_are_not_unknown() -> None:
    lacking = dict.fromkeys(LACKING, refused("InvalidAction"))
    config = replace(WITHOUT_SETTINGS, enable_encryption=False)
    found = look(config, {**described(config), **lacking})
    assert [one.setting for one in found.unknown] == [
        *("environment", "enable_point_in_time_recovery", "enable_ttl", "items")
    ]


@pytest.mark.parametrize("kind", [AccessDeniedError, UnavailableError])
def test_without_the_tables_description_there_is_no_plan(kind: type[StorageError]) -> None:
    error = refused("SomeException", kind)
    with pytest.raises(kind) as raised:
        look(ON_DEMAND, {**described(ON_DEMAND), "describe_table": error})
    assert raised.value is error


CALL = Call("register_scalable_target", {}, AUTOSCALING)


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        (nothing_to_do(), ["table 'chats' exists", "  as configured, nothing to do"]),
        (
            Plan(NAME, False, None, (Call("create_table", {}), CALL), (), ()),
            [
                "table 'chats' is missing",
                "  deploy=True would call dynamodb create_table",
                "  deploy=True would call application-autoscaling register_scalable_target",
            ],
        ),
        (
            Plan(
                NAME,
                True,
                "chats-stack",
                (),
                (
                    Drift("billing_mode", BillingMode.PROVISIONED, "PAY_PER_REQUEST"),
                    Drift("keys", "R (B, HASH)", "X (S, HASH)", "run-id"),
                ),
                (Unknown("environment", "denied"), Unknown("read_capacity", "denied", "run-id")),
            ),
            [
                "table 'chats' exists, owned by the stack 'chats-stack'",
                "  differs, left as it is: billing_mode: configured 'PROVISIONED', "
                "found 'PAY_PER_REQUEST'",
                "  differs, left as it is: keys of index run-id: configured 'R (B, HASH)', "
                "found 'X (S, HASH)'",
                "  unknown: environment: denied",
                "  unknown: read_capacity of index run-id: denied",
            ],
        ),
    ],
)
def test_a_plan_can_be_read(shown: Plan, lines: list[str]) -> None:
    assert str(shown).splitlines() == lines
