"""Evaluates `template.yaml`, the only description of the table.

CloudFormation deploys this file, and `deploy=True` evaluates the same file here. This module
therefore follows CloudFormation's rules for the part of its language that the template uses, and
refuses the rest. It sends no request. `api_calls.py` translates the properties.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..config.table_config import region_of_arn
from ..errors import ConfigurationError, TemplateError
from ..format.requests import RUN_INDEX
from ..format.thread_entries import THREAD_INDEX
from .intrinsics import Scope, as_text, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..config.table_config import DynamoDBTableConfig


_FILE = "template.yaml"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules"}
    | {"Conditions", "Resources", "Outputs"}
)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

SETTINGS: Mapping[str, str] = {
    "TableName": "table_name",
    "Environment": "environment",
    "TableClass": "table_class",
    "EnableRunIndex": "enable_run_index",
    "EnableThreadIndex": "enable_thread_index",
    "BillingMode": "billing_mode",
    "ReadCapacity": "read_capacity",
    "WriteCapacity": "write_capacity",
    "IndexReadCapacity": "index_read_capacity",
    "MinReadCapacity": "min_read_capacity",
    "MaxReadCapacity": "max_read_capacity",
    "MinWriteCapacity": "min_write_capacity",
    "MaxWriteCapacity": "max_write_capacity",
    "TargetUtilization": "target_utilization",
    "ScaleInCooldown": "scale_in_cooldown",
    "ScaleOutCooldown": "scale_out_cooldown",
    "MaxReadRequestUnits": "max_read_request_units",
    "MaxWriteRequestUnits": "max_write_request_units",
    "WarmReadUnits": "warm_read_units",
    "WarmWriteUnits": "warm_write_units",
    "EnableEncryption": "enable_encryption",
    "KmsKeyArn": "kms_key_arn",
    "EnablePointInTimeRecovery": "enable_point_in_time_recovery",
    "PointInTimeRecoveryDays": "point_in_time_recovery_days",
    "EnableDeletionProtection": "enable_deletion_protection",
    "EnableTtl": "enable_ttl",
    "TtlAttribute": "ttl_attribute",
}
"""The setting of `DynamoDBTableConfig` for each template parameter."""

INDEXES: Mapping[str, str] = {
    RUN_INDEX: "enable_run_index",
    THREAD_INDEX: "enable_thread_index",
}
"""The setting of `DynamoDBTableConfig` that adds each index, by the index's name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the template, with every intrinsic function evaluated.

    Attributes:
        type: The CloudFormation type, such as `AWS::DynamoDB::Table`.
        properties: Its properties. The value of a parameter is a string, as in
            CloudFormation, also if the parameter's type is `Number`.
    """

    type: str
    properties: dict[str, Any]


def template_text() -> str:
    """The text of the shipped template: the copy in the wheel, or the file of the source tree.

    Raises:
        TemplateError: The installation lacks the file.
    """
    packaged = resources.files(__package__).joinpath(_FILE)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    in_source_tree = Path(__file__).parents[3] / _FILE
    if in_source_tree.is_file():
        return in_source_tree.read_text(encoding="utf-8")
    raise TemplateError(f"{_FILE} is missing from the installed package; install it again")


@cache
def shipped_template() -> dict[str, Any]:
    """The shipped template, read and parsed once (12 ms of CPU). Not to be changed."""
    return load_template()


def load_template(text: str | None = None) -> dict[str, Any]:
    """Parse a template.

    Args:
        text: YAML with intrinsic functions in long form; the shipped template
            when left out.

    Raises:
        TemplateError: The text is not YAML, has short-form tags such as `!Ref`, has no
            resources, or has a section that `resolve` does not support.
    """
    try:
        document = template_text() if text is None else text
        template = yaml.load(document, Loader=_LOADER)  # noqa: S506 - a safe one, in C or not
    except yaml.YAMLError as error:
        raise TemplateError(
            f"the template cannot be read; write intrinsic functions in long form "
            f"(`Ref:`, `Fn::If:`), not `!Ref` or `!If`: {error}"
        ) from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError("the template has no Resources")
    unknown = sorted(map(str, template.keys() - _SECTIONS))
    if unknown:
        raise TemplateError(
            f"the template has sections that deploy=True does not support: {', '.join(unknown)}; "
            "deploy it with CloudFormation"
        )
    return template


def parameters_of(config: DynamoDBTableConfig) -> dict[str, str]:
    """The template parameters of a configuration.

    Some have no counterpart: the configuration's `ttl_seconds`, which the saver applies to each
    item, and the template's parameters for policies and alarms, which only a stack creates.
    If a setting is `None`, its parameter keeps the default, which has the same meaning.

    Raises:
        ConfigurationError: `table_name` is an ARN.
    """
    if region_of_arn(config.table_name) is not None:
        raise ConfigurationError(
            f"table_name={config.table_name!r}: deploy=True, plan, destroy and a stack take the "
            "table's name, with credentials of its account; an ARN is for methods on data"
        )
    settings = {parameter: getattr(config, name) for parameter, name in SETTINGS.items()}
    return {
        parameter: as_text(setting.value if isinstance(setting, Enum) else setting)
        for parameter, setting in settings.items()
        if setting is not None
    }


def resolve(
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    pseudo_parameters: Mapping[str, str] | None = None,
) -> dict[str, Resource]:
    """Evaluate a template as CloudFormation does before it creates resources.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html

    Args:
        template: A parsed template, from `load_template`.
        parameters: Values by parameter name; a missing parameter has its default.
        pseudo_parameters: Values of the pseudo parameters that the template
            refers to, such as `{"AWS::Region": "us-east-1"}`. `AWS::NoValue`
            is always available.

    Returns:
        The resources whose condition holds, by logical id.

    Raises:
        ConfigurationError: A parameter is unknown, missing or out of bounds, or violates a
            rule of the template.
        TemplateError: The template has an intrinsic function, reference or argument that is
            not supported here.
    """
    values = _parameter_values(template.get("Parameters") or {}, parameters)
    scope = Scope(
        template.get("Conditions") or {},
        {**(pseudo_parameters or {}), **values},
        template["Resources"],
    )
    _check_rules(template.get("Rules") or {}, scope, values)
    return {
        logical_id: Resource(declared["Type"], scope.value(declared.get("Properties") or {}))
        for logical_id, declared in template["Resources"].items()
        if "Condition" not in declared or scope.named(declared["Condition"])
    }


def _parameter_values(
    declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]
) -> dict[str, str]:
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise ConfigurationError(
            f"unknown template parameters {', '.join(unknown)}: use {', '.join(declared)}"
        )
    values = {}
    for name, rules in declared.items():
        if name not in given and "Default" not in rules:
            raise ConfigurationError(f"template parameter {name} has no default: give a value")
        values[name] = as_text(given[name] if name in given else rules["Default"])
        broken = _broken_bound(rules, values[name])
        if broken:
            explanation = rules.get("ConstraintDescription")
            raise ConfigurationError(
                f"template parameter {name}={values[name]!r}: {broken}"
                + (f". {explanation}" if explanation else "")
            )
    return values


def _broken_bound(rules: Mapping[str, Any], value: str) -> str | None:
    """The bound that the value violates, as text; `None` if it is valid.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    allowed = rules.get("AllowedValues")
    if allowed is not None and value not in map(as_text, allowed):
        return f"use one of {', '.join(map(as_text, allowed))}"
    match rules.get("Type"):
        case "Number":
            if not _NUMBER.fullmatch(value):
                return "use a number"
            if not _within(float(value), rules.get("MinValue"), rules.get("MaxValue")):
                return f"use {span(rules.get('MinValue'), rules.get('MaxValue'))}"
        case "String":
            if not _within(len(value), rules.get("MinLength"), rules.get("MaxLength")):
                return f"use {span(rules.get('MinLength'), rules.get('MaxLength'))} characters"
            pattern = rules.get("AllowedPattern")
            if pattern is not None and not re.fullmatch(pattern, value):
                return f"it must match {pattern}"
        case other:
            raise TemplateError(f"parameter type {other!r} is not one of Number, String")
    return None


def _within(size: float, low: Any, high: Any) -> bool:
    return (low is None or size >= float(low)) and (high is None or size <= float(high))


def _check_rules(
    rules: Mapping[str, Mapping[str, Any]], scope: Scope, values: Mapping[str, str]
) -> None:
    """Check the template's rules.

    Raises:
        ConfigurationError: An assertion does not hold.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
    """
    for name, rule in rules.items():
        if "RuleCondition" in rule and not scope.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if scope.holds(assertion["Assert"]):
                continue
            found = [f"{used}={values[used]!r}" for used in _references(assertion["Assert"])]
            raise ConfigurationError(
                f"template parameter {', '.join(found)}: "
                f"{assertion.get('AssertDescription', f'rule {name} does not hold')}"
            )


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict) and "Ref" in node:
        yield node["Ref"]
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _references(child)
