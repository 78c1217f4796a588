"""`deploy=True`: the requests that a configuration comes to."""

from __future__ import annotations

import functools
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import validate_parameters

from deploying import KEYS, NAME, PLAIN
from langgraph_checkpoint_dynamodb.config.table_config import (
    BillingMode,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.errors import TemplateError
from langgraph_checkpoint_dynamodb.infra import api_calls
from langgraph_checkpoint_dynamodb.infra.api_calls import TableRequests, requests_of, translate
from langgraph_checkpoint_dynamodb.infra.template import INDEXES, Resource, load_template
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from stacks import TEMPLATE, configs

TABLE = "AWS::DynamoDB::Table"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"


@functools.cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def validate(requests: TableRequests) -> None:
    """Let botocore check each request against the service's own model."""
    for call in (requests.create_table, *requests.settings):
        (operation,) = (
            name for name in model(call.service).operation_names if xform_name(name) == call.method
        )
        shape = model(call.service).operation_model(operation).input_shape
        validate_parameters(call.params, shape)
        assert call.params.keys() <= shape.members.keys()


def without_none(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def create_table(config: DynamoDBTableConfig) -> dict[str, Any]:
    throughput: dict[str, Any] = {}
    if config.billing_mode is BillingMode.PROVISIONED:
        units = {
            "ReadCapacityUnits": config.read_capacity,
            "WriteCapacityUnits": config.write_capacity,
        }
        throughput["ProvisionedThroughput"] = units
    maxima = without_none(
        MaxReadRequestUnits=config.max_read_request_units,
        MaxWriteRequestUnits=config.max_write_request_units,
    )
    if maxima:
        throughput["OnDemandThroughput"] = maxima
    of_index = dict(throughput)
    warm = (config.warm_read_units, config.warm_write_units)
    if warm != (12_000, 4_000):
        names = ("ReadUnitsPerSecond", "WriteUnitsPerSecond")
        throughput["WarmThroughput"] = dict(zip(names, warm, strict=True))
        of_index["WarmThroughput"] = {"WriteUnitsPerSecond": config.warm_write_units}
    if config.billing_mode is BillingMode.PROVISIONED:
        of_index["ProvisionedThroughput"] = {
            "ReadCapacityUnits": config.index_read_capacity,
            "WriteCapacityUnits": config.write_capacity,
        }
    index = {
        "IndexName": "run-id",
        "KeySchema": [{"AttributeName": "R", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
        **of_index,
    }
    threads = {
        "IndexName": "threads",
        "KeySchema": [
            {"AttributeName": "O", "KeyType": "HASH"},
            {"AttributeName": "A", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
        **of_index,
    }
    indexes = [index] * config.enable_run_index + [threads] * config.enable_thread_index
    run_id = {"AttributeName": "R", "AttributeType": "B"}
    of_threads = [
        {"AttributeName": "O", "AttributeType": "S"},
        {"AttributeName": "A", "AttributeType": "N"},
    ]
    key = config.kms_key_arn
    tag = {"Key": "Environment", "Value": config.environment}
    return without_none(
        TableName=config.table_name,
        KeySchema=KEYS["KeySchema"],
        AttributeDefinitions=[
            *KEYS["AttributeDefinitions"],
            *([run_id] if config.enable_run_index else []),
            *(of_threads if config.enable_thread_index else []),
        ],
        GlobalSecondaryIndexes=indexes or None,
        BillingMode=config.billing_mode.value,
        **throughput,
        TableClass=config.table_class.value,
        DeletionProtectionEnabled=config.enable_deletion_protection,
        SSESpecification=without_none(
            Enabled=config.enable_encryption, SSEType="KMS" if key else None, KMSMasterKeyId=key
        ),
        Tags=[tag] if config.environment else None,
    )


def settings(config: DynamoDBTableConfig) -> dict[str, Any]:
    """The parameters of the calls for expiry and backups, by method."""
    expiry = {"AttributeName": config.ttl_attribute, "Enabled": True}
    recovery = {
        "PointInTimeRecoveryEnabled": True,
        "RecoveryPeriodInDays": config.point_in_time_recovery_days,
    }
    found = {}
    if config.enable_ttl:
        found["update_time_to_live"] = {"TimeToLiveSpecification": expiry}
    if config.enable_point_in_time_recovery:
        found["update_continuous_backups"] = {"PointInTimeRecoverySpecification": recovery}
    return {method: {"TableName": config.table_name, **params} for method, params in found.items()}


def scaling(config: DynamoDBTableConfig) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """What each call for scaling says, by method, resource and dimension."""
    resources = [("table", f"table/{config.table_name}")]
    resources += [
        ("index", f"table/{config.table_name}/index/{name}")
        for name, setting in INDEXES.items()
        if getattr(config, setting)
    ]
    found: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for kind in ("read", "write"):
        low, high = (getattr(config, f"{bound}_{kind}_capacity") for bound in ("min", "max"))
        for level, resource in resources if low else ():
            least = config.index_read_capacity if (level, kind) == ("index", "read") else low
            dimension = f"dynamodb:{level}:{kind.title()}CapacityUnits"
            metric = f"DynamoDB{kind.title()}CapacityUtilization"
            found["register_scalable_target", resource, dimension] = (least, high)
            aim = (
                *(metric, float(config.target_utilization)),
                *(config.scale_in_cooldown, config.scale_out_cooldown),
            )
            found["put_scaling_policy", resource, dimension] = aim
    return found


def said(call: Call) -> tuple[Any, ...]:
    params = call.params
    assert params["ServiceNamespace"] == "dynamodb"
    if call.method == "register_scalable_target":
        return params["MinCapacity"], params["MaxCapacity"]
    assert params["PolicyType"] == "TargetTrackingScaling"
    tracking = params["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    cooldowns = (tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"])
    return (metric, tracking["TargetValue"], *cooldowns)


@pytest.mark.parametrize("config", configs())
def test_requests_say_what_the_configuration_says(config: DynamoDBTableConfig) -> None:
    requests = requests_of(config)
    validate(requests)
    assert requests.table_name == config.table_name
    assert requests.create_table == Call("create_table", create_table(config))
    of_table = [call for call in requests.settings if call.service == "dynamodb"]
    of_scaling = [call for call in requests.settings if call.service == "application-autoscaling"]
    assert requests.settings == (*of_table, *of_scaling)
    assert {call.method: call.params for call in of_table} == settings(config)
    assert {
        (call.method, call.params["ResourceId"], call.params["ScalableDimension"]): said(call)
        for call in of_scaling
    } == scaling(config)
    order = [call.method for call in of_scaling]
    assert order == sorted(order, reverse=True)  # a target before its policy


def test_the_configurations_cover_every_switch() -> None:
    for name, values in {
        "enable_run_index": {True, False},
        "enable_thread_index": {True, False},
        "enable_deletion_protection": {True, False},
        "enable_encryption": {True, False},
        "enable_point_in_time_recovery": {True, False},
        "enable_ttl": {True, False},
        "table_class": set(TableClass),
        "environment": {"prod", None},
    }.items():
        for mode in BillingMode:
            assert {
                getattr(config, name) for config in configs() if config.billing_mode is mode
            } == values


def properties(node: Any) -> Any:
    """The names of the properties of a template's node, whatever its conditions say."""
    if isinstance(node, dict) and "Fn::If" in node:
        return properties(node["Fn::If"][1]) | properties(node["Fn::If"][2])
    return set(node) - {"Ref"} if isinstance(node, dict) else set()


def test_every_property_of_the_template_has_a_request() -> None:
    """None is left to configurations that the tests forget."""
    used_by_table = TEMPLATE["Resources"]["Table"]["Properties"]
    known = {TABLE: {*api_calls._CREATE_TABLE, *api_calls._SETTINGS}}
    known |= {kind: {*names} for kind, (_, names) in api_calls._SCALING.items()}
    used: dict[str, set[str]] = {}
    for declared in TEMPLATE["Resources"].values():
        used.setdefault(declared["Type"], set()).update(properties(declared["Properties"]))
    for of_a_stack in ("AWS::IAM::ManagedPolicy", "AWS::CloudWatch::Alarm", "AWS::SSM::Parameter"):
        assert used.pop(of_a_stack)
    used[TABLE] -= {*api_calls._AS_CREATED, "ResourcePolicy"}
    assert used == known
    _, indexes, _ = used_by_table["GlobalSecondaryIndexes"]["Fn::If"]
    runs, threads = (index["Fn::If"][1] for index in indexes)
    of_indexes = {*api_calls._INDEX, *api_calls._AS_CREATED}
    assert properties(runs) == properties(threads) == of_indexes


def table_of(**more: Any) -> dict[str, Resource]:
    return {"Table": Resource(TABLE, {"TableName": NAME, **KEYS, **more})}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            table_of(ContributorInsightsSpecification={"Enabled": True}, ResourcePolicy={}),
            "cannot set the properties ContributorInsightsSpecification, ResourcePolicy of",
        ),
        (
            table_of(StreamSpecification={}, ImportSourceSpecification={}, Tags=[]),
            f"cannot set the properties ImportSourceSpecification, StreamSpecification of {TABLE}",
        ),
        (
            table_of(GlobalSecondaryIndexes=[{"IndexName": "i", "Replicas": {}}]),
            f"cannot set the properties Replicas of an index of {TABLE}",
        ),
        (
            {**table_of(), "Target": Resource(TARGET, {"RoleARN": "arn"})},
            f"cannot set the properties RoleARN of {TARGET}",
        ),
        (
            {**table_of(), "Topic": Resource("AWS::SNS::Topic", {})},
            "cannot create Topic, an AWS::SNS::Topic; deploy the template with CloudFormation",
        ),
        ({}, f"creates one {TABLE}, but the template has 0"),
        (
            {**table_of(), "Other": table_of()["Table"]},
            f"creates one {TABLE}, but the template has 2",
        ),
    ],
)
def test_what_has_no_request_is_an_error(resources: dict[str, Resource], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        translate(resources)


def test_the_shipped_template_is_what_requests_are_made_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template = load_template()
    template["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic"}
    monkeypatch.setattr(api_calls, "shipped_template", lambda: template)
    with pytest.raises(TemplateError, match="cannot create Topic"):
        requests_of(PLAIN)
