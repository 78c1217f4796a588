"""Every small edit of the template that changes what a stack makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from parity.cfn_to_api import NOT_DEPLOYED, NOT_SET
from stacks import STACK_ONLY

Template = dict[str, Any]
Path = tuple[str | int, ...]

Edit = tuple[Path, str, Any]
"""Where, what is done in words, and what then stands there."""

_OF_OTHERS = frozenset(
    {"AlarmThrottledRequests", "AlarmUtilization", "HasUpdates"}
    | {"AllowedPrincipals", "HasPrincipals", "ContributorInsights", "HasContributorInsights"}
    | {"CreateExports", "HasExports", "HasPolicyExports"}
)
"""What only `NOT_DEPLOYED`, `NOT_SET` and outputs use: `test_alarms.py`, `test_stack_only.py` and
`test_template_engines.py`."""

REMOVED = object()
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class Mutant:
    """An edited template and what was done to it."""

    name: str
    text: str


def mutants_of(template: Template) -> Iterator[Mutant]:
    """Edit the table, its scaling, the conditions and the parameters' defaults in turn.

    What `deploy=True` does not make has no properties here: only whether a stack makes it counts.
    """
    resources = {
        name: one | {"Properties": {}} if one["Type"] in NOT_DEPLOYED else one
        for name, one in template["Resources"].items()
    }
    return edited({**template, "Resources": resources, "Outputs": {}}, _edits(template))


def edited(template: Template, edits: Iterable[Edit]) -> Iterator[Mutant]:
    """The template once for each edit, with that edit made."""
    for path, edit, node in edits:
        text = json.dumps(_with(template, path, node))
        yield Mutant(f"{'.'.join(map(str, path))}: {edit}", text)


def _with(parent: Any, path: Path, node: Any) -> Any:
    """A copy that has `node` at a path, and shares everything beside it."""
    step, *rest = path
    copied = parent.copy()
    if rest:
        copied[step] = _with(parent[step], tuple(rest), node)
    elif node is REMOVED:
        del copied[step]
    else:
        copied[step] = node
    return copied


def _edits(template: Template) -> Iterator[Edit]:
    names = _Names(template)
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in NOT_DEPLOYED:
            continue
        path: Path = ("Resources", logical_id)
        if "Condition" in resource:
            yield (*path, "Condition"), "removed", REMOVED
            for other in names.conditions - {resource["Condition"]}:
                yield (*path, "Condition"), f"now {other}", other
        yield from names.of_value((*path, "Properties"), resource["Properties"], removable=False)
    for name, node in template["Conditions"].items():
        if name not in _OF_OTHERS:
            yield from names.of_condition(("Conditions", name), node)
    for name, rules in template["Parameters"].items():
        if name in _OF_OTHERS:
            continue
        for other in _other_defaults(rules):
            yield ("Parameters", name, "Default"), f"now {other!r}", other


def _other_defaults(rules: dict[str, Any]) -> list[Any]:
    if "AllowedValues" in rules:
        return [value for value in rules["AllowedValues"] if value != rules["Default"]]
    if rules["Type"] == "Number":
        return [rules["Default"] + (1 if rules["Default"] < rules["MaxValue"] else -1)]
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    return [key if "kms" in rules.get("AllowedPattern", "") else f"{rules['Default']}other"]


class _Names:
    """The edits of a node, with other names of the same kind to put in its place."""

    def __init__(self, template: Template) -> None:
        self.parameters = {
            name: rules for name, rules in template["Parameters"].items() if name not in STACK_ONLY
        }
        # What only resources of `NOT_DEPLOYED` use would double the edits, and find nothing more.
        self.conditions = {
            name
            for one in template["Resources"].values()
            if one["Type"] not in NOT_DEPLOYED
            for name in re.findall(r"\bHas\w+", json.dumps(one))
        } - _OF_OTHERS

    def of_value(self, path: Path, node: Any, *, removable: bool = True) -> Iterator[Edit]:
        """Remove a property or change what it says, here and below."""
        if removable:
            yield path, "removed", REMOVED
        if isinstance(node, dict) and "Ref" in node:
            yield from self._of_reference(path, node["Ref"])
        elif isinstance(node, dict) and "Fn::If" in node:
            yield from self._of_if(path, node["Fn::If"])
        elif isinstance(node, dict) and "Fn::Sub" in node:
            yield (*path, "Fn::Sub"), "changed", f"{node['Fn::Sub']}X"
        elif isinstance(node, dict):
            for key, child in node.items():
                if key not in NOT_SET:
                    yield from self.of_value((*path, key), child)
        elif isinstance(node, list):
            for index, child in enumerate(node):
                yield from self.of_value((*path, index), child)
        else:
            yield path, "changed", _changed(node)

    def _of_reference(self, path: Path, name: str) -> Iterator[Edit]:
        if name not in self.parameters:
            return
        rules = self.parameters[name]
        yield path, "now its default", rules["Default"]
        for other, others in self.parameters.items():
            if other != name and others["Type"] == rules["Type"]:
                yield path, f"now {other}", {"Ref": other}

    def _of_if(self, path: Path, arguments: list[Any]) -> Iterator[Edit]:
        condition, when_true, when_false = arguments
        yield path, "branches swapped", {"Fn::If": [condition, when_false, when_true]}
        yield path, "always", when_true
        yield path, "never", when_false
        for other in self.conditions - {condition}:
            yield (*path, "Fn::If", 0), f"now {other}", other
        for index, branch in ((1, when_true), (2, when_false)):
            if branch != NO_VALUE:
                yield (*path, "Fn::If", index), "nothing", NO_VALUE
                yield from self.of_value((*path, "Fn::If", index), branch, removable=False)

    def of_condition(self, path: Path, node: dict[str, Any]) -> Iterator[Edit]:
        """Negate a condition, or change what it asks, here and below."""
        ((function, arguments),) = node.items()
        negated = arguments[0] if function == "Fn::Not" else {"Fn::Not": [node]}
        yield path, "negated", negated
        if function == "Condition":
            for other in self.conditions - {arguments, path[1]}:
                yield (*path, function), f"now {other}", other
        elif function == "Fn::Equals":
            (reference, literal) = arguments
            yield (*path, function, 1), "changed", f"{literal}X"
            for other in self.parameters.keys() - {reference["Ref"]}:
                yield (*path, function, 0), f"now {other}", {"Ref": other}
        else:
            if function != "Fn::Not":
                swapped = "Fn::Or" if function == "Fn::And" else "Fn::And"
                yield path, f"now {swapped}", {swapped: arguments}
            for index, argument in enumerate(arguments):
                if function != "Fn::Not":
                    yield path, f"only operand {index}", argument
                yield from self.of_condition((*path, function, index), argument)


def _changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}X"
