"""Evaluates CloudFormation's intrinsic functions, as far as the template uses them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping


_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
_NO_VALUE: Final = object()

_REF_RETURNS: Mapping[str, str] = {"AWS::DynamoDB::Table": "TableName"}
"""The property that `Ref` returns, by resource type.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""


def as_text(value: object) -> str:
    """A scalar as a string, which is how CloudFormation compares and passes it.

    Raises:
        TemplateError: The value is not a scalar.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"{value!r} is used where the template needs a string, number or boolean")


def span(low: Any, high: Any) -> str:
    """Bounds as text; `None` is no bound."""
    if low == high:
        return f"{low}"
    if high is None:
        return f"{low} or more"
    return f"at most {high}" if low is None else f"{low} to {high}"


class Scope:
    """Evaluates nodes of the template for one set of parameter values."""

    def __init__(
        self,
        conditions: Mapping[str, Any],
        values: Mapping[str, str],
        resources: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._conditions = conditions
        self._values = values
        self._resources = resources
        self._in_progress: set[str] = set()

    def named(self, name: Any) -> bool:
        """Evaluate a named condition."""
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
                return as_text(self.value(left)) == as_text(self.value(right))
            case "Fn::Not":
                return not self.holds(_arguments(function, argument, 1)[0])
            case "Fn::And":
                return all(map(self.holds, _arguments(function, argument, 2, 10)))
            case "Fn::Or":
                return any(map(self.holds, _arguments(function, argument, 2, 10)))
            case "Fn::Contains":
                members, wanted = _arguments(function, argument, 2)
                return as_text(self.value(wanted)) in map(as_text, self.value(members))
        raise TemplateError(
            f"{function} is not one of Condition, Fn::And, Fn::Contains, Fn::Equals, Fn::Not, "
            "Fn::Or, which a condition may use here"
        )

    def value(self, node: Any) -> Any:
        """Evaluate a property; entries that are `AWS::NoValue` are removed from maps and lists."""
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
            raise TemplateError(
                f"{function} must be the only key of its map, which has {', '.join(map(str, node))}"
            )
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
        if isinstance(name, str) and name in self._values:
            return self._values[name]
        return self._physical_id(name)

    def _physical_id(self, name: Any) -> str:
        declared = self._resources.get(name, {}) if isinstance(name, str) else {}
        named_by = declared.get("Properties", {}).get(_REF_RETURNS.get(declared.get("Type", "")))
        if named_by is None:
            raise TemplateError(
                f"reference to {name!r}, which is neither a parameter, nor a given pseudo "
                f"parameter, nor a table with a name: {', '.join(self._values) or '(none)'}"
            )
        physical_id = self.value(named_by)
        if physical_id is _NO_VALUE:
            raise TemplateError(
                f"reference to {name!r}, whose name CloudFormation would generate: give it a name"
            )
        return as_text(physical_id)

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
            return as_text(self.value(local[name]) if name in local else self._reference(name))

        return _PLACEHOLDER.sub(replacement, text)


def _arguments(function: str, argument: Any, least: int, most: int | None = None) -> list[Any]:
    most = most or least
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        raise TemplateError(f"{function} takes a list of {span(least, most)}, not {argument!r}")
    return argument
