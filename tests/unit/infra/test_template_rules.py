"""What the shipped template refuses, and that the configuration refuses it too."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb.config.table_config import (
    RESERVED_ATTRIBUTES,
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.errors import ConfigurationError
from langgraph_checkpoint_dynamodb.infra.template import SETTINGS, resolve
from stacks import KMS_KEY, TEMPLATE

REFUSALS: list[tuple[dict[str, str], str]] = [
    ({"TableName": "ab"}, "TableName='ab': it must match"),
    ({"TableName": "a" * 256}, "use at most 255 characters"),
    ({"TableName": "a/b/c"}, "TableName='a/b/c': it must match"),
    ({"Environment": "a,b"}, "Environment='a,b': it must match"),
    ({"KmsKeyArn": "alias/chats"}, "KmsKeyArn='alias/chats': it must match"),
    ({"BillingMode": "FREE"}, "BillingMode='FREE': use one of PAY_PER_REQUEST, PROVISIONED"),
    ({"EnableTtl": "yes"}, "EnableTtl='yes': use one of true, false"),
    ({"ReadCapacity": "many"}, "ReadCapacity='many': use a number"),
    ({"TtlAttribute": ""}, "TtlAttribute='': use 1 to 255 characters"),
    ({"Nmae": "x"}, "unknown template parameters Nmae: use TableName, "),
]


@pytest.mark.parametrize(("parameters", "message"), REFUSALS)
def test_the_template_refuses(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(TEMPLATE, parameters)


ROLE = "arn:aws:iam::111122223333:role/graphs"
CAPACITY = {"BillingMode": "PROVISIONED", "ReadCapacity": "5", "WriteCapacity": "5"}
BROKEN_RULES: list[tuple[dict[str, str], str]] = [
    ({"BillingMode": "PROVISIONED", "WriteCapacity": "1"}, "PROVISIONED needs ReadCapacity"),
    ({"BillingMode": "PROVISIONED", "ReadCapacity": "1"}, "PROVISIONED needs WriteCapacity"),
    *(
        ({name: "1"}, f"{name}='1': {name} is for PROVISIONED. Leave it at 0")
        for name in (
            *("ReadCapacity", "WriteCapacity", "MinReadCapacity", "MaxReadCapacity"),
            *("MinWriteCapacity", "MaxWriteCapacity"),
        )
    ),
    *(
        ({**CAPACITY, name: "30000"}, f"{name}='30000': {name} is for PAY_PER_REQUEST. Leave it at")
        for name in (
            *("MaxReadRequestUnits", "MaxWriteRequestUnits", "WarmReadUnits", "WarmWriteUnits"),
        )
    ),
    *(
        ({**CAPACITY, f"{bound}{kind}Capacity": "5"}, f"needs both Min{kind}Capacity and Max{kind}")
        for kind in ("Read", "Write")
        for bound in ("Min", "Max")
    ),
    ({"EnableEncryption": "false", "KmsKeyArn": KMS_KEY}, "KmsKeyArn"),
    *(
        ({"TtlAttribute": name}, f"TtlAttribute='{name}': TtlAttribute is an attribute that")
        for name in sorted(RESERVED_ATTRIBUTES)
    ),
]


KEYLESS = {"EnableEncryption": "false"}
RULES_OF_STACKS: list[tuple[dict[str, str], str]] = [
    ({**KEYLESS, "TableName": "", "AllowedPrincipals": ROLE}, "needs TableName"),
    ({"AllowedPrincipals": ROLE}, "needs KmsKeyArn or EnableEncryption=false"),
]


@pytest.mark.parametrize(("parameters", "message"), RULES_OF_STACKS)
def test_what_breaks_a_rule_of_a_stack_is_refused(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(TEMPLATE, parameters)


def setting(text: str) -> Any:
    """A parameter's value as the configuration has it."""
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)


@pytest.mark.parametrize(("parameters", "message"), BROKEN_RULES)
def test_what_breaks_a_rule_is_refused_by_both(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(TEMPLATE, parameters)
    with pytest.raises(ConfigurationError):
        DynamoDBTableConfig(
            **{SETTINGS[name]: setting(value) for name, value in parameters.items()}
        )


def test_every_assertion_of_every_rule_is_broken_above() -> None:
    broken = set()
    for parameters, _ in (*BROKEN_RULES, *RULES_OF_STACKS):
        with pytest.raises(ConfigurationError) as raised:
            resolve(TEMPLATE, parameters)
        broken.add(str(raised.value).split(": ", 1)[1])
    assert broken == {
        assertion["AssertDescription"]
        for rule in TEMPLATE["Rules"].values()
        for assertion in rule["Assertions"]
    }
