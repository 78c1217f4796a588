"""What AWS describes of a table, and what `plan` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from deploying import ARN, KEYS, NAME, dimension
from langgraph_checkpoint_dynamodb.config.table_config import (
    BillingMode,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.infra.api_calls import requests_of
from langgraph_checkpoint_dynamodb.infra.plan import Plan, plan
from langgraph_checkpoint_dynamodb.runtime.effects import AUTOSCALING, KMS, Call, Done, advance
from stacks import KMS_KEY, PROVISIONED
from stacks import SCALED as BOUNDS

OTHER_KEY = KMS_KEY[:-1] + "4"
ON_DEMAND = DynamoDBTableConfig(
    table_name=NAME,
    environment="prod",
    max_read_request_units=11,
    enable_ttl=True,
    enable_point_in_time_recovery=True,
    kms_key_arn=KMS_KEY,
    enable_thread_index=False,
)
WITH_INDEX = replace(ON_DEMAND, enable_run_index=True)
WITHOUT_SETTINGS = DynamoDBTableConfig(table_name=NAME)
WITHOUT_INDEX = replace(WITHOUT_SETTINGS, enable_thread_index=False)
FIXED = replace(WITHOUT_INDEX, **PROVISIONED)
AUTOSCALED = replace(FIXED, **BOUNDS)
SCALED_INDEX = replace(AUTOSCALED, enable_run_index=True)

MANAGED_KEY = KMS_KEY[:-1] + "5"
_OF_AN_INDEX = ("OnDemandThroughput", "WarmThroughput")


def described(config: DynamoDBTableConfig) -> dict[str, Any]:
    """What AWS answers about the table of a configuration, by method.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ScalableTarget.html
    """
    found: dict[str, Any] = {
        "TableName": NAME,
        "TableArn": ARN,
        "TableStatus": "ACTIVE",
        **KEYS,
        "ProvisionedThroughput": {
            "ReadCapacityUnits": config.read_capacity or 0,
            "WriteCapacityUnits": config.write_capacity or 0,
        },
        "DeletionProtectionEnabled": config.enable_deletion_protection,
    }
    if config.billing_mode is BillingMode.PAY_PER_REQUEST:
        found["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
    if config.max_read_request_units or config.max_write_request_units:
        found["OnDemandThroughput"] = {
            "MaxReadRequestUnits": config.max_read_request_units or -1,
            "MaxWriteRequestUnits": config.max_write_request_units or -1,
        }
    found["WarmThroughput"] = {
        "ReadUnitsPerSecond": config.warm_read_units,
        "WriteUnitsPerSecond": config.warm_write_units,
    }
    if config.enable_encryption:
        found["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": config.kms_key_arn or MANAGED_KEY,
        }
    if config.table_class is not TableClass.STANDARD:
        found["TableClassSummary"] = {"TableClass": config.table_class.value}
    create = requests_of(config).create_table.params
    if "GlobalSecondaryIndexes" in create:
        found["AttributeDefinitions"] = create["AttributeDefinitions"]
        found["GlobalSecondaryIndexes"] = [
            {
                **{name: index[name] for name in ("IndexName", "KeySchema", "Projection")},
                "IndexStatus": "ACTIVE",
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": config.index_read_capacity if config.read_capacity else 0,
                    "WriteCapacityUnits": config.write_capacity or 0,
                },
                **{name: dict(found[name]) for name in _OF_AN_INDEX if name in found},
            }
            for index in create["GlobalSecondaryIndexes"]
        ]
    tags = [{"Key": "Environment", "Value": config.environment}] if config.environment else []
    return {
        "describe_table": {"Table": found},
        "list_tags_of_resource": {"Tags": tags},
        "describe_time_to_live": {
            "TimeToLiveDescription": (
                {"TimeToLiveStatus": "ENABLED", "AttributeName": config.ttl_attribute}
                if config.enable_ttl
                else {"TimeToLiveStatus": "DISABLED"}
            )
        },
        "describe_continuous_backups": {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": (
                    {
                        "PointInTimeRecoveryStatus": "ENABLED",
                        "RecoveryPeriodInDays": config.point_in_time_recovery_days,
                    }
                    if config.enable_point_in_time_recovery
                    else {"PointInTimeRecoveryStatus": "DISABLED"}
                ),
            }
        },
        "describe_key": {"KeyMetadata": {"Arn": MANAGED_KEY}},
        **scaling_of(config),
        "scan": {"Items": [{"PK": {"S": "t"}, "SK": {"S": "C##1"}}]},
    }


def scaling_of(config: DynamoDBTableConfig) -> dict[str, Any]:
    kinds = [kind for kind in ("read", "write") if getattr(config, f"max_{kind}_capacity")]
    aim = {
        "TargetValue": float(config.target_utilization),
        "ScaleInCooldown": config.scale_in_cooldown,
        "ScaleOutCooldown": config.scale_out_cooldown,
    }
    resources = ["table", "index"] if config.enable_run_index else ["table"]
    scaled = [(dimension(kind.title(), one), kind) for one in resources for kind in kinds]
    return {
        "describe_scalable_targets": {
            "ScalableTargets": [
                {
                    **resource,
                    "MinCapacity": (
                        config.index_read_capacity
                        if kind == "read" and "/index/" in resource["ResourceId"]
                        else getattr(config, f"min_{kind}_capacity")
                    ),
                    "MaxCapacity": getattr(config, f"max_{kind}_capacity"),
                }
                for resource, kind in scaled
            ]
        },
        "describe_scaling_policies": {
            "ScalingPolicies": [
                {**resource, "TargetTrackingScalingPolicyConfiguration": dict(aim)}
                for resource, _ in scaled
            ]
        },
    }


def look(config: DynamoDBTableConfig, replies: dict[str, Any]) -> Plan:
    """The plan for a configuration, if AWS answers so."""
    operation = plan(config)
    effect = advance(operation)
    while not isinstance(effect, Done):
        assert isinstance(effect, Sequence)
        answers = [_answer(call, replies) for call in effect]
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        effect = advance(operation, error=failed[0]) if failed else advance(operation, answers)
    found: Plan = effect.result
    return found


def _answer(call: Call, replies: dict[str, Any]) -> Any:
    assert call.method.startswith(("describe_", "list_", "scan"))
    others = {"describe_key": KMS, **dict.fromkeys(scaling_of(FIXED), AUTOSCALING)}
    assert call.service == others.get(call.method, "dynamodb")
    reply = replies[call.method]
    if call.method != "describe_scaling_policies" or isinstance(reply, BaseException):
        return reply
    scaled = call.params["ResourceId"]
    found = [policy for policy in reply["ScalingPolicies"] if policy["ResourceId"] == scaled]
    return {"ScalingPolicies": found}
