"""Every small edit of the template that changes what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.mutants import REMOVED, Edit, Mutant, Path, Template, edited

_BOUNDS = ("MinValue", "MaxValue", "MinLength", "MaxLength")


def bounds_of(template: Template, name: str) -> Iterator[Mutant]:
    """Edit the bounds of a parameter in turn."""
    return edited(template, _bounds(("Parameters", name), template["Parameters"][name]))


def _bounds(path: Path, rules: dict[str, Any]) -> Iterator[Edit]:
    for bound in _BOUNDS:
        if bound in rules:
            yield (*path, bound), "removed", REMOVED
            for step in (-1, 1):
                if rules[bound] + step >= 0 or bound.endswith("Value"):
                    yield (*path, bound), f"now {rules[bound] + step}", rules[bound] + step
    if "AllowedPattern" in rules:
        yield (*path, "AllowedPattern"), "removed", REMOVED
    if "AllowedValues" in rules:
        allowed = rules["AllowedValues"]
        yield (*path, "AllowedValues"), "removed", REMOVED
        for value in allowed:
            others = [other for other in allowed if other != value]
            yield (*path, "AllowedValues"), f"without {value}", others
    if rules["Type"] == "Number":
        yield (*path, "Type"), "now String", "String"


def rules_of(template: Template, name: str) -> Iterator[Mutant]:
    """Edit a rule in turn: its condition, its assertions and what they ask."""
    return edited(template, _rule(("Rules", name), template["Rules"][name]))


def _rule(path: Path, rule: dict[str, Any]) -> Iterator[Edit]:
    if "RuleCondition" in rule:
        yield (*path, "RuleCondition"), "removed", REMOVED
        yield from _expression((*path, "RuleCondition"), rule["RuleCondition"])
    for index, assertion in enumerate(rule["Assertions"]):
        yield (*path, "Assertions", index), "removed", REMOVED
        yield from _expression((*path, "Assertions", index, "Assert"), assertion["Assert"])


def _expression(path: Path, node: dict[str, Any]) -> Iterator[Edit]:
    ((function, arguments),) = node.items()
    yield path, "negated", arguments[0] if function == "Fn::Not" else {"Fn::Not": [node]}
    if function == "Fn::Equals":
        yield (*path, function, 1), "changed", f"{arguments[1]}X"
    elif function == "Fn::Contains":
        for index in range(len(arguments[0])):
            yield (*path, function, 0, index), "removed", REMOVED
    else:
        for index, argument in enumerate(arguments):
            if function != "Fn::Not":
                yield path, f"only operand {index}", argument
            yield from _expression((*path, function, index), argument)


def parameters_in(node: Any) -> set[str]:
    """The parameters that a rule looks at."""
    if isinstance(node, dict) and "Ref" in node:
        return {node["Ref"]}
    if isinstance(node, dict | list):
        children = node.values() if isinstance(node, dict) else node
        return set().union(*map(parameters_in, children))
    return set()
