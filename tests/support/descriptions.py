"""What AWS describes of a table, and what `plan` makes of it."""

from __future__ import annotations

from typing import Any

from deploying import ARN, KEYS, NAME
from langgraph_checkpoint_dynamodb.config.table_config import (
    BillingMode,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.infra.plan import Plan, plan
from langgraph_checkpoint_dynamodb.runtime.effects import AUTOSCALING, Done, advance
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
)
WITHOUT_SETTINGS = DynamoDBTableConfig(table_name=NAME)
FIXED = DynamoDBTableConfig(table_name=NAME, **PROVISIONED)
AUTOSCALED = DynamoDBTableConfig(table_name=NAME, **PROVISIONED, **BOUNDS)


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
    if config.enable_encryption:
        found["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": config.kms_key_arn or OTHER_KEY,
        }
    if config.table_class is not TableClass.STANDARD:
        found["TableClassSummary"] = {"TableClass": config.table_class.value}
    if config.enable_run_index:
        found["GlobalSecondaryIndexes"] = [{"IndexName": "run-id"}]
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
        **scaling_of(config),
        "scan": {"Items": [{"SK": {"S": "C##1"}}]},
    }


def scaling_of(config: DynamoDBTableConfig) -> dict[str, Any]:
    kinds = [kind for kind in ("read", "write") if getattr(config, f"max_{kind}_capacity")]
    aim = {"TargetValue": float(config.target_utilization)}
    policy = {"TargetTrackingScalingPolicyConfiguration": aim}
    resources = ["table", "index"] if config.enable_run_index else ["table"]
    return {
        "describe_scalable_targets": {
            "ScalableTargets": [
                {
                    "ScalableDimension": f"dynamodb:{resource}:{kind.title()}CapacityUnits",
                    "MinCapacity": getattr(config, f"min_{kind}_capacity"),
                    "MaxCapacity": getattr(config, f"max_{kind}_capacity"),
                }
                for resource in resources
                for kind in kinds
            ]
        },
        "describe_scaling_policies": {"ScalingPolicies": [policy for _ in kinds]},
    }


def look(config: DynamoDBTableConfig, replies: dict[str, Any]) -> Plan:
    """The plan for a configuration, if AWS answers so."""
    operation = plan(config)
    effect = advance(operation)
    while not isinstance(effect, Done):
        (call,) = effect  # type: ignore[misc]
        assert call.method.startswith(("describe_", "list_", "scan"))
        assert call.service == (AUTOSCALING if "scal" in call.method else "dynamodb")
        reply = replies[call.method]
        failed = isinstance(reply, BaseException)
        effect = advance(operation, error=reply) if failed else advance(operation, [reply])
    found: Plan = effect.result
    return found
