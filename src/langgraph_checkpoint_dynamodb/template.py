"""Evaluates `template.yaml`, the only description of the table.

CloudFormation deploys that file; `deploy=True` evaluates the same one here. So
this module follows CloudFormation's rules, for the part of its language that
the template uses, and refuses the rest rather than guess. It sends nothing and
knows nothing of DynamoDB: what the properties mean is `deploy.py`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from .errors import ConfigurationError, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .config import DynamoDBTableConfig

_FILE = "template.yaml"
_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules"}
    | {"Conditions", "Resources", "Outputs"}
)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
_NO_VALUE: Final = object()


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the template, with every intrinsic function evaluated.

    Attributes:
        type: The CloudFormation type, such as `AWS::DynamoDB::Table`.
        properties: Its properties. What came from a parameter is a string, as
            in CloudFormation, also for a parameter of type `Number`.
    """

    type: str
    properties: dict[str, Any]


def template_text() -> str:
    """The template as it is shipped: the wheel's copy, or the source tree's file.

    Raises:
        TemplateError: The installation lacks the file.
    """
    packaged = resources.files(__package__).joinpath(_FILE)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    in_source_tree = Path(__file__).parents[2] / _FILE
    if in_source_tree.is_file():
        return in_source_tree.read_text(encoding="utf-8")
    raise TemplateError(f"{_FILE} is missing from the installed package; install it again")


def load_template(text: str | None = None) -> dict[str, Any]:
    """Parse a template.

    Args:
        text: YAML with intrinsic functions in long form; the shipped template
            when left out.

    Raises:
        TemplateError: No YAML, short-form tags such as `!Ref`, no resources,
            or a section that `resolve` cannot follow.
    """
    try:
        template = yaml.safe_load(template_text() if text is None else text)
    except yaml.YAMLError as error:
        raise TemplateError(
            f"the template cannot be read; intrinsic functions have to be in long form "
            f"(`Ref:`, `Fn::If:`), not `!Ref` or `!If`: {error}"
        ) from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError("the template has no Resources")
    unknown = sorted(map(str, template.keys() - _SECTIONS))
    if unknown:
        raise TemplateError(
            f"the template has sections that deploy=True cannot follow: {', '.join(unknown)}; "
            "deploy it with CloudFormation"
        )
    return template


def parameters_of(config: DynamoDBTableConfig) -> dict[str, str]:
    """The template parameters that say what a configuration says.

    The saver's own settings have no parameter: `ttl_seconds`, which is written
    with each item. Nor have the autoscaling bounds: the template makes no
    scaling policy.
    """
    return {
        "TableName": config.table_name,
        "BillingMode": config.billing_mode.value,
        "ReadCapacity": _text(config.read_capacity or 0),
        "WriteCapacity": _text(config.write_capacity or 0),
        "EnableEncryption": _text(config.enable_encryption),
        "EnablePointInTimeRecovery": _text(config.enable_point_in_time_recovery),
        "EnableTtl": _text(config.enable_ttl),
        "TtlAttribute": config.ttl_attribute,
    }


def resolve(
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    pseudo_parameters: Mapping[str, str] | None = None,
) -> dict[str, Resource]:
    """Evaluate a template as CloudFormation would before it makes anything.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html

    Args:
        template: A parsed template, from `load_template`.
        parameters: Values by parameter name; what is missing takes its default.
        pseudo_parameters: Values of the pseudo parameters that the template
            refers to, such as `{"AWS::Region": "us-east-1"}`. `AWS::NoValue`
            is always known.

    Returns:
        The resources whose condition holds, by logical id.

    Raises:
        ConfigurationError: A parameter that is unknown, missing, out of its
            bounds, or that breaks one of the template's rules.
        TemplateError: An intrinsic function, reference or argument that is not
            part of the language evaluated here.
    """
    values = _parameter_values(template.get("Parameters") or {}, parameters)
    scope = _Scope(template.get("Conditions") or {}, {**(pseudo_parameters or {}), **values})
    _check_rules(template.get("Rules") or {}, scope, values)
    return {
        logical_id: Resource(declared["Type"], scope.value(declared.get("Properties") or {}))
        for logical_id, declared in template["Resources"].items()
        if "Condition" not in declared or scope.named(declared["Condition"])
    }


def _text(value: object) -> str:
    """A scalar as CloudFormation compares and passes it: as a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"{value!r} stands where the template needs a string, number or boolean")


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
        values[name] = _text(given[name] if name in given else rules["Default"])
        broken = _broken_bound(rules, values[name])
        if broken:
            explanation = rules.get("ConstraintDescription")
            raise ConfigurationError(
                f"template parameter {name}={values[name]!r}: {broken}"
                + (f". {explanation}" if explanation else "")
            )
    return values


def _broken_bound(rules: Mapping[str, Any], value: str) -> str | None:
    """What the value violates, or `None`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    allowed = rules.get("AllowedValues")
    if allowed is not None and value not in map(_text, allowed):
        return f"use one of {', '.join(map(_text, allowed))}"
    match rules.get("Type"):
        case "Number":
            if not _NUMBER.fullmatch(value):
                return "use a number"
            if not _within(float(value), rules.get("MinValue"), rules.get("MaxValue")):
                return f"use {_range(rules.get('MinValue'), rules.get('MaxValue'))}"
        case "String":
            if not _within(len(value), rules.get("MinLength"), rules.get("MaxLength")):
                return f"use {_range(rules.get('MinLength'), rules.get('MaxLength'))} characters"
            pattern = rules.get("AllowedPattern")
            if pattern is not None and not re.fullmatch(pattern, value):
                return f"it has to match {pattern}"
        case other:
            raise TemplateError(f"parameter type {other!r} is not one of Number, String")
    return None


def _within(size: float, low: Any, high: Any) -> bool:
    return (low is None or size >= float(low)) and (high is None or size <= float(high))


def _range(low: Any, high: Any) -> str:
    if low == high:
        return f"{low}"
    if high is None:
        return f"{low} or more"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _check_rules(
    rules: Mapping[str, Mapping[str, Any]], scope: _Scope, values: Mapping[str, str]
) -> None:
    """Check the template's rules.

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


class _Scope:
    """What a node of the template means under one set of parameter values."""

    def __init__(self, conditions: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self._conditions = conditions
        self._values = values
        self._in_progress: set[str] = set()

    def named(self, name: Any) -> bool:
        if not isinstance(name, str) or name not in self._conditions:
            raise TemplateError(
                f"condition {name!r} is not one of {', '.join(self._conditions) or '(none)'}"
            )
        if name in self._in_progress:
            raise TemplateError(f"condition {name!r} depends on itself")
        self._in_progress.add(name)
        try:
            return self.holds(self._conditions[name])
        finally:
            self._in_progress.discard(name)

    def holds(self, node: Any) -> bool:
        """Evaluate a condition, as in `Conditions` and `Rules`."""
        if not isinstance(node, dict) or len(node) != 1:
            raise TemplateError(f"{node!r} is not a condition")
        ((function, argument),) = node.items()
        match function:
            case "Condition":
                return self.named(argument)
            case "Fn::Equals":
                left, right = _arguments(function, argument, 2)
                return _text(self.value(left)) == _text(self.value(right))
            case "Fn::Not":
                return not self.holds(_arguments(function, argument, 1)[0])
            case "Fn::And":
                return all(map(self.holds, _arguments(function, argument, 2, 10)))
            case "Fn::Or":
                return any(map(self.holds, _arguments(function, argument, 2, 10)))
            case "Fn::Contains":
                members, wanted = _arguments(function, argument, 2)
                return _text(self.value(wanted)) in map(_text, self.value(members))
        raise TemplateError(
            f"{function} is not one of Condition, Fn::And, Fn::Contains, Fn::Equals, Fn::Not, "
            "Fn::Or, which a condition may use here"
        )

    def value(self, node: Any) -> Any:
        """Evaluate a property; what is `AWS::NoValue` disappears from maps and lists."""
        if isinstance(node, list):
            members = [self.value(member) for member in node]
            return [member for member in members if member is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        functions = [key for key in node if key == "Ref" or str(key).startswith("Fn::")]
        if functions:
            return self._call(functions[0], node)
        entries = {key: self.value(child) for key, child in node.items()}
        return {key: child for key, child in entries.items() if child is not _NO_VALUE}

    def _call(self, function: str, node: Mapping[str, Any]) -> Any:
        if len(node) != 1:
            raise TemplateError(f"{function} has siblings: {', '.join(map(str, node))}")
        argument = node[function]
        match function:
            case "Ref":
                return _NO_VALUE if argument == "AWS::NoValue" else self._reference(argument)
            case "Fn::If":
                name, when_true, when_false = _arguments(function, argument, 3)
                return self.value(when_true if self.named(name) else when_false)
            case "Fn::Sub":
                return self._substituted(argument)
        raise TemplateError(
            f"{function} is not one of Ref, Fn::If, Fn::Sub, which a property may use here; "
            "deploy the template with CloudFormation"
        )

    def _reference(self, name: Any) -> str:
        if not isinstance(name, str) or name not in self._values:
            raise TemplateError(
                f"reference to {name!r}, which is neither a parameter nor a given pseudo "
                f"parameter: {', '.join(self._values) or '(none)'}"
            )
        return self._values[name]

    def _substituted(self, argument: Any) -> str:
        text, local = argument, {}
        if isinstance(argument, list):
            text, local = _arguments("Fn::Sub", argument, 2)
        if not isinstance(text, str) or not isinstance(local, dict):
            raise TemplateError(f"Fn::Sub takes a string, or a string and a map: {argument!r}")

        def replacement(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            return _text(self.value(local[name]) if name in local else self._reference(name))

        return _PLACEHOLDER.sub(replacement, text)


def _arguments(function: str, argument: Any, least: int, most: int | None = None) -> list[Any]:
    most = most or least
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        raise TemplateError(f"{function} takes a list of {_range(least, most)}, not {argument!r}")
    return argument
