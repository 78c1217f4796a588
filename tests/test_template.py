"""The template, and the evaluator of it against an engine that is not ours."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from cfnlint.helpers import REGIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.dynamodb.models.table import Table as MotoTable

from langgraph_checkpoint_dynamodb import template as template_module
from langgraph_checkpoint_dynamodb.config import (
    RESERVED_ATTRIBUTES,
    BillingMode,
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.errors import ConfigurationError, TemplateError
from langgraph_checkpoint_dynamodb.template import (
    Resource,
    load_template,
    parameters_of,
    resolve,
    template_text,
)

TEMPLATE_FILE = Path(__file__).parents[1] / "template.yaml"
TEMPLATE = load_template()


def table_of(parameters: dict[str, str]) -> dict[str, Any]:
    (table,) = resolve(TEMPLATE, parameters).values()
    assert table.type == "AWS::DynamoDB::Table"
    return table.properties


def configs() -> list[DynamoDBTableConfig]:
    """Every combination of the switches, in both billing modes."""
    modes: list[dict[str, Any]] = [
        {},
        {"billing_mode": BillingMode.PROVISIONED, "read_capacity": 5, "write_capacity": 7},
    ]
    return [
        DynamoDBTableConfig(
            table_name="some.table_-1",
            enable_encryption=encryption,
            enable_point_in_time_recovery=recovery,
            enable_ttl=ttl,
            ttl_attribute=attribute,
            **mode,
        )
        for mode in modes
        for encryption, recovery, ttl in itertools.product([True, False], repeat=3)
        for attribute in ("ttl", "expires at")
    ]


# --- the shipped template


def test_the_linter_has_no_finding() -> None:
    everywhere = ManualArgs(include_checks=["I"], regions=REGIONS)
    assert lint_file(TEMPLATE_FILE, everywhere) == []


def test_the_shipped_template_is_the_top_level_file() -> None:
    assert template_text() == TEMPLATE_FILE.read_text(encoding="utf-8")


def test_the_packaged_copy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "template.yaml").write_text("packaged", encoding="utf-8")
    monkeypatch.setattr(template_module.resources, "files", lambda _: tmp_path)
    assert template_text() == "packaged"


def test_a_missing_template_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(template_module, "__file__", str(tmp_path / "a" / "b" / "template.py"))
    with pytest.raises(TemplateError, match=r"template\.yaml is missing"):
        template_text()


def test_defaults_are_those_of_the_configuration() -> None:
    declared = TEMPLATE["Parameters"]
    defaults = {name: str(parameter["Default"]) for name, parameter in declared.items()}
    assert defaults == parameters_of(DynamoDBTableConfig())


def test_bounds_are_those_of_the_configuration() -> None:
    parameters = TEMPLATE["Parameters"]
    assert parameters["BillingMode"]["AllowedValues"] == [mode.value for mode in BillingMode]
    (assertion,) = TEMPLATE["Rules"]["TtlAttributeIsFree"]["Assertions"]
    (contains,) = assertion["Assert"]["Fn::Not"]
    assert set(contains["Fn::Contains"][0]) == RESERVED_ATTRIBUTES


def test_every_parameter_is_bounded_described_and_grouped() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(TEMPLATE["Parameters"])
    assert list(interface["ParameterLabels"]) == grouped
    bounds = {"AllowedValues", "MaxLength", "MaxValue"}
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert bounds & parameter.keys(), name
    assert all(name.startswith("Has") for name in TEMPLATE["Conditions"])


def test_no_stack_operation_deletes_the_table() -> None:
    table = TEMPLATE["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


# --- parameters


def test_parameters_of_a_provisioned_table() -> None:
    config = DynamoDBTableConfig(
        table_name="chats",
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=3,
        write_capacity=4,
        enable_encryption=False,
        enable_point_in_time_recovery=True,
        enable_ttl=True,
        ttl_attribute="expires",
    )
    assert parameters_of(config) == {
        "TableName": "chats",
        "BillingMode": "PROVISIONED",
        "ReadCapacity": "3",
        "WriteCapacity": "4",
        "EnableEncryption": "false",
        "EnablePointInTimeRecovery": "true",
        "EnableTtl": "true",
        "TtlAttribute": "expires",
    }


def test_every_parameter_has_a_field_in_the_configuration() -> None:
    assert parameters_of(DynamoDBTableConfig()).keys() == TEMPLATE["Parameters"].keys()


units = st.integers(1, 10_000_000)


@settings(deadline=None)
@given(
    name=st.from_regex(r"[a-zA-Z0-9_.-]{3,255}", fullmatch=True),
    attribute=st.text(min_size=1, max_size=63).filter(lambda text: text not in RESERVED_ATTRIBUTES),
    capacities=st.none() | st.tuples(units, units),
    switches=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_template_takes_every_configuration(
    name: str,
    attribute: str,
    capacities: tuple[int, int] | None,
    switches: tuple[bool, bool, bool],
) -> None:
    mode: dict[str, Any] = {}
    if capacities:
        read, write = capacities
        mode = {"billing_mode": "PROVISIONED", "read_capacity": read, "write_capacity": write}
    encryption, recovery, ttl = switches
    config = DynamoDBTableConfig(
        table_name=name,
        ttl_attribute=attribute,
        enable_encryption=encryption,
        enable_point_in_time_recovery=recovery,
        enable_ttl=ttl,
        **mode,
    )
    properties = table_of(parameters_of(config))
    assert properties["TableName"] == name
    assert properties["TimeToLiveSpecification"] == {"AttributeName": attribute, "Enabled": ttl}


def test_capacities_beyond_the_template_are_refused_by_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="read_capacity=10000001: use at most 10000000"):
        DynamoDBTableConfig(billing_mode="PROVISIONED", read_capacity=10_000_001, write_capacity=1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"TableName": "ab"}, "TableName='ab': use 3 to 255 characters"),
        ({"TableName": "a" * 256}, "use 3 to 255 characters"),
        ({"TableName": "a/b/c"}, "TableName='a/b/c': it has to match"),
        ({"BillingMode": "FREE"}, "BillingMode='FREE': use one of PAY_PER_REQUEST, PROVISIONED"),
        ({"EnableTtl": "yes"}, "EnableTtl='yes': use one of true, false"),
        ({"ReadCapacity": "many"}, "ReadCapacity='many': use a number"),
        ({"ReadCapacity": "-1"}, "ReadCapacity='-1': use 0 to 10000000"),
        ({"WriteCapacity": "10000001"}, "use 0 to 10000000"),
        ({"TtlAttribute": ""}, "TtlAttribute='': use 1 to 255 characters"),
        ({"Nmae": "x"}, "unknown template parameters Nmae: use TableName, "),
        (
            {"BillingMode": "PROVISIONED", "WriteCapacity": "1"},
            "ReadCapacity='0': BillingMode PROVISIONED needs ReadCapacity",
        ),
        (
            {"BillingMode": "PROVISIONED", "ReadCapacity": "1"},
            "WriteCapacity='0': BillingMode PROVISIONED needs WriteCapacity",
        ),
        ({"ReadCapacity": "1"}, "ReadCapacity='1': ReadCapacity belongs to BillingMode PROV"),
        ({"WriteCapacity": "1"}, "WriteCapacity='1': WriteCapacity belongs to BillingMode PROV"),
        ({"TtlAttribute": "SK"}, "TtlAttribute='SK': TtlAttribute is an attribute that the saver"),
    ],
)
def test_the_template_refuses(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(TEMPLATE, parameters)


# --- the evaluator


def evaluate(node: Any, **template: Any) -> Any:
    """What a property comes to, with parameters `Color` ("red") and `Size` ("3")."""
    document = {
        "Parameters": {
            "Color": {"Type": "String", "Default": "red"},
            "Size": {"Type": "Number", "Default": 3},
        },
        "Conditions": {
            "IsRed": {"Fn::Equals": [{"Ref": "Color"}, "red"]},
            "IsBlue": {"Fn::Equals": [{"Ref": "Color"}, "blue"]},
        },
        "Resources": {"It": {"Type": "T", "Properties": {"node": node}}},
        **template,
    }
    resources = resolve(document, {}, {"AWS::Region": "eu-central-1"})
    return resources["It"].properties.get("node", "(none)")


NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("text", "text"),
        (True, True),
        (7, 7),
        (None, None),
        ({"Ref": "Color"}, "red"),
        ({"Ref": "Size"}, "3"),
        ({"Ref": "AWS::Region"}, "eu-central-1"),
        (NO_VALUE, "(none)"),
        ({"a": NO_VALUE, "b": [1, NO_VALUE, 2]}, {"b": [1, 2]}),
        ({"a": {"b": NO_VALUE}}, {"a": {}}),
        ({"Fn::If": ["IsRed", 1, 2]}, 1),
        ({"Fn::If": ["IsBlue", 1, 2]}, 2),
        ({"Fn::If": ["IsBlue", 1, NO_VALUE]}, "(none)"),
        ([{"Fn::If": ["IsBlue", 1, NO_VALUE]}, 2], [2]),
        ({"Fn::If": ["IsRed", {"Fn::If": ["IsBlue", 1, {"Ref": "Color"}]}, 2]}, "red"),
        ({"Fn::Sub": "${Color}-${AWS::Region}-${!Color}-$5"}, "red-eu-central-1-${Color}-$5"),
        ({"Fn::Sub": ["${Color} ${x}", {"x": {"Ref": "Size"}, "Color": "own"}]}, "own 3"),
        ({"Condition": "IsRed", "Effect": "Allow"}, {"Condition": "IsRed", "Effect": "Allow"}),
    ],
)
def test_properties(node: Any, expected: Any) -> None:
    assert evaluate(node) == expected


RED = {"Condition": "IsRed"}
BLUE = {"Condition": "IsBlue"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (RED, True),
        (BLUE, False),
        ({"Fn::Not": [RED]}, False),
        ({"Fn::And": [RED, RED]}, True),
        ({"Fn::And": [RED, BLUE]}, False),
        ({"Fn::Or": [BLUE, RED]}, True),
        ({"Fn::Or": [BLUE, BLUE]}, False),
        ({"Fn::And": [RED, {"Fn::Or": [BLUE, {"Fn::Not": [BLUE]}]}]}, True),
        ({"Fn::Equals": [{"Ref": "Size"}, 3]}, True),
        ({"Fn::Equals": ["true", True]}, True),
        ({"Fn::Equals": ["True", True]}, False),
        ({"Fn::Equals": [{"Fn::Sub": "${Color}!"}, "red!"]}, True),
    ],
)
def test_conditions(condition: Any, expected: bool) -> None:
    conditions = {
        "IsRed": {"Fn::Equals": [{"Ref": "Color"}, "red"]},
        "IsBlue": {"Fn::Equals": [{"Ref": "Color"}, "blue"]},
        "It": condition,
    }
    assert evaluate({"Fn::If": ["It", "yes", "no"]}, Conditions=conditions) == (
        "yes" if expected else "no"
    )


def test_a_resource_whose_condition_fails_is_left_out() -> None:
    resources = resolve(
        {
            "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
            "Resources": {"A": {"Type": "T", "Condition": "Never"}, "B": {"Type": "T"}},
        },
        {},
    )
    assert resources == {"B": Resource("T", {})}


def test_a_rule_is_checked_only_when_its_condition_holds() -> None:
    def rules(color: str) -> Any:
        failing = {"Assert": {"Fn::Contains": [["blue"], {"Ref": "Color"}]}}
        condition = {"Fn::Equals": [{"Ref": "Color"}, color]}
        return {"Blue": {"RuleCondition": condition, "Assertions": [failing]}}

    assert evaluate(1, Rules=rules("green")) == 1
    with pytest.raises(ConfigurationError, match="Color='red': rule Blue does not hold"):
        evaluate(1, Rules=rules("red"))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"Fn::GetAtt": ["It", "Arn"]}, "Fn::GetAtt is not one of Ref, Fn::If, Fn::Sub"),
        ({"Fn::Equals": [1, 1]}, "Fn::Equals is not one of"),
        ({"Fn::If": ["IsRed", 1, 2], "x": 1}, "Fn::If has siblings: Fn::If, x"),
        ({"x": 1, "Ref": "Color"}, "Ref has siblings: x, Ref"),
        ({"Fn::If": ["IsRed", 1]}, "Fn::If takes a list of 3"),
        ({"Fn::If": ["IsGreen", 1, 2]}, "condition 'IsGreen' is not one of IsRed, IsBlue"),
        ({"Fn::If": [RED, 1, 2]}, "is not one of IsRed, IsBlue"),
        ({"Ref": "Nothing"}, "reference to 'Nothing', which is neither a parameter nor"),
        ({"Ref": "It"}, "reference to 'It'"),
        ({"Ref": ["Color"]}, "reference to"),
        ({"Ref": "AWS::AccountId"}, "reference to 'AWS::AccountId'"),
        ({"Fn::Sub": "${It.Arn}"}, "reference to 'It.Arn'"),
        ({"Fn::Sub": 5}, "Fn::Sub takes a string"),
        ({"Fn::Sub": ["${x}", {"x": [1]}]}, r"\[1\] stands where the template needs a string"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(node: Any, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        evaluate(node)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (True, "True is not a condition"),
        ({"Fn::Not": [RED], "x": 1}, "is not a condition"),
        ({"Fn::Not": [RED, RED]}, "Fn::Not takes a list of 1"),
        ({"Fn::And": [RED]}, "Fn::And takes a list of 2 to 10"),
        ({"Fn::Or": [BLUE] * 11}, "Fn::Or takes a list of 2 to 10"),
        ({"Fn::If": ["IsRed", 1, 2]}, "Fn::If is not one of Condition, Fn::And"),
        ({"Condition": "It"}, "condition 'It' depends on itself"),
    ],
)
def test_what_is_no_condition_is_an_error(condition: Any, message: str) -> None:
    conditions = {"IsRed": {"Fn::Equals": ["a", "a"]}, "IsBlue": {"Fn::Equals": ["a", "b"]}}
    with pytest.raises(TemplateError, match=message):
        evaluate({"Fn::If": ["It", 1, 2]}, Conditions={**conditions, "It": condition})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: {T: {Type: !Ref X}}", "have to be in long form"),
        ("Resources: [", "cannot be read"),
        ("just text", "has no Resources"),
        ("{Transform: AWS::Serverless-2016-10-31, Resources: {}}", "cannot follow: Transform"),
    ],
)
def test_what_is_no_template_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        load_template(text)


def test_a_parameter_without_default_is_needed() -> None:
    document = {"Parameters": {"Needed": {"Type": "String"}}, "Resources": {}}
    with pytest.raises(ConfigurationError, match="Needed has no default: give a value"):
        resolve(document, {})


def test_an_unknown_parameter_type_is_an_error() -> None:
    document = {"Parameters": {"P": {"Type": "List<Number>", "Default": "1"}}, "Resources": {}}
    with pytest.raises(TemplateError, match="parameter type 'List<Number>'"):
        resolve(document, {})


# --- the same template in another engine


def as_text(node: Any) -> Any:
    """Numbers as strings: CloudFormation passes either, and engines differ."""
    if isinstance(node, dict):
        return {key: as_text(child) for key, child in node.items()}
    if isinstance(node, list):
        return [as_text(child) for child in node]
    return node if isinstance(node, bool) else str(node)


@mock_aws
def test_another_engine_evaluates_the_template_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[dict[str, Any]] = []
    create = MotoTable.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def recording(cls: Any, name: str, resource: dict[str, Any], *rest: Any, **more: Any) -> Any:
        evaluated.append(copy.deepcopy(resource["Properties"]))  # Moto adds to the original.
        return create(cls, name, resource, *rest, **more)

    monkeypatch.setattr(MotoTable, "create_from_cloudformation_json", classmethod(recording))
    for number, config in enumerate(configs()):
        parameters = {**parameters_of(config), "TableName": f"table-{number}"}
        create_stack(f"stack-{number}", parameters)
        assert as_text(evaluated.pop()) == as_text(table_of(parameters)), parameters
        assert not evaluated


@mock_aws
def test_outputs() -> None:
    stack = create_stack("chats-stack", parameters_of(DynamoDBTableConfig(table_name="chats")))
    outputs = {output["OutputKey"]: output for output in stack["Outputs"]}
    version = outputs["TemplateVersion"]["OutputValue"]
    assert {name: output["OutputValue"] for name, output in outputs.items()} == {
        "TableName": "chats",
        "TableArn": "arn:aws:dynamodb:eu-central-1:123456789012:table/chats",
        "Region": "eu-central-1",
        "TtlAttribute": "ttl",
        "TemplateVersion": version,
    }
    assert all(part.isdigit() for part in version.split("."))
    exports = boto3.client("cloudformation", "eu-central-1").list_exports()["Exports"]
    assert {export["Name"] for export in exports} == {f"chats-stack-{name}" for name in outputs}


def create_stack(name: str, parameters: dict[str, str]) -> dict[str, Any]:
    client = boto3.client("cloudformation", "eu-central-1")
    client.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return stack
