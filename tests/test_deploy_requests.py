"""`deploy=True`: the requests that a configuration comes to."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.validate import validate_parameters

from deploying import (
    KEYS,
    NAME,
    PLAIN,
)
from langgraph_checkpoint_dynamodb import deploy as deploy_module
from langgraph_checkpoint_dynamodb.config import BillingMode, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.deploy import (
    TableRequests,
    requests_of,
    table_requests,
)
from langgraph_checkpoint_dynamodb.errors import (
    TemplateError,
)
from langgraph_checkpoint_dynamodb.template import load_template
from stacks import configs


def validate(requests: TableRequests) -> None:
    """Let botocore check each request against DynamoDB's own model."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    for operation, request in (
        ("CreateTable", requests.create_table),
        ("UpdateTimeToLive", requests.update_time_to_live),
        ("UpdateContinuousBackups", requests.update_continuous_backups),
    ):
        if request is not None:
            validate_parameters(request, model.operation_model(operation).input_shape)


@pytest.mark.parametrize("config", configs())
def test_requests_say_what_the_configuration_says(config: DynamoDBTableConfig) -> None:
    requests = requests_of(config)
    validate(requests)
    provisioned = config.billing_mode is BillingMode.PROVISIONED
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    assert requests.create_table == {
        "TableName": config.table_name,
        **KEYS,
        "BillingMode": config.billing_mode.value,
        **({"ProvisionedThroughput": throughput} if provisioned else {}),
        "SSESpecification": {"Enabled": config.enable_encryption},
    }
    assert requests.update_time_to_live == (
        {
            "TableName": config.table_name,
            "TimeToLiveSpecification": {"AttributeName": config.ttl_attribute, "Enabled": True},
        }
        if config.enable_ttl
        else None
    )
    assert requests.update_continuous_backups == (
        {
            "TableName": config.table_name,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        }
        if config.enable_point_in_time_recovery
        else None
    )


def test_a_property_that_has_no_request_is_an_error() -> None:
    with pytest.raises(TemplateError, match=r"cannot make the table properties Tags, Warm"):
        table_requests({"TableName": NAME, **KEYS, "WarmThroughput": {}, "Tags": []})


def test_a_second_resource_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    template = load_template()
    template["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic"}
    monkeypatch.setattr(deploy_module, "load_template", lambda: template)
    with pytest.raises(TemplateError, match="but the template has Table, Topic"):
        requests_of(PLAIN)
