"""The evaluator of templates: intrinsic functions, conditions, rules, errors."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb.errors import ConfigurationError, TemplateError
from langgraph_checkpoint_dynamodb.infra.template import Resource, load_template, resolve

TABLE = "AWS::DynamoDB::Table"
NO_VALUE = {"Ref": "AWS::NoValue"}


def table(name: Any) -> Any:
    return {"Type": TABLE, "Properties": {"TableName": name}}


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
        "Resources": {
            "It": {"Type": "T", "Properties": {"node": node}},
            "Chats": table({"Fn::Sub": "${Color}-chats"}),
            "Fixed": table("fixed"),
            "Generated": table(NO_VALUE),
            "Nameless": {"Type": TABLE},
        },
        **template,
    }
    resources = resolve(document, {}, {"AWS::Region": "eu-central-1"})
    return resources["It"].properties.get("node", "(none)")


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
        ({"Ref": "Chats"}, "red-chats"),
        ({"Ref": "Fixed"}, "fixed"),
        ({"Fn::Sub": "table/${Chats}/index/x"}, "table/red-chats/index/x"),
        ({"Fn::Sub": ["${Chats}", {"Chats": "own"}]}, "own"),
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
        (
            {"Fn::If": ["IsRed", 1, 2], "x": 1},
            "Fn::If must be the only key of its map, which has Fn::If, x",
        ),
        ({"x": 1, "Ref": "Color"}, "Ref must be the only key of its map, which has x, Ref"),
        ({"Fn::If": ["IsRed", 1]}, "Fn::If takes a list of 3"),
        ({"Fn::If": ["IsGreen", 1, 2]}, "condition 'IsGreen' is not one of IsRed, IsBlue"),
        ({"Fn::If": [RED, 1, 2]}, "is not one of IsRed, IsBlue"),
        ({"Ref": "Nothing"}, "reference to 'Nothing', which is neither a parameter, nor"),
        ({"Ref": "It"}, "reference to 'It'"),
        ({"Ref": ["Color"]}, "reference to"),
        ({"Ref": "AWS::AccountId"}, "reference to 'AWS::AccountId'"),
        ({"Ref": "Generated"}, "'Generated', whose name CloudFormation would generate: give it"),
        (
            {"Fn::Sub": "table/${Generated}"},
            "'Generated', whose name CloudFormation would generate",
        ),
        ({"Ref": "Nameless"}, "reference to 'Nameless', which is neither .* nor a table with a"),
        ({"Fn::Sub": "${It.Arn}"}, "reference to 'It.Arn'"),
        ({"Fn::Sub": "${Chats.Arn}"}, "reference to 'Chats.Arn'"),
        ({"Fn::Sub": ["${x}", ["x"]]}, "Fn::Sub takes a string, or a string and a map"),
        ({"Fn::Sub": ["${x}"]}, "Fn::Sub takes a list of 2"),
        ({"Fn::Sub": 5}, "Fn::Sub takes a string"),
        ({"Fn::Sub": ["${x}", {"x": [1]}]}, r"\[1\] is used where the template needs a string"),
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
        ("Resources: {T: {Type: !Ref X}}", "in long form"),
        ("Resources: [", "cannot be read"),
        ("just text", "has no Resources"),
        ("{Transform: AWS::Serverless-2016-10-31, Resources: {}}", "does not support: Transform"),
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
