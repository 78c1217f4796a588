"""What the shipped template means for given parameters, worked out without the package's code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = yaml.safe_load((Path(__file__).parents[3] / "template.yaml").read_text(encoding="utf-8"))
_NOTHING = object()


def sections(parameters: dict[str, str]) -> dict[str, Any]:
    """Resources and outputs as they should be synthesized, scalars as strings."""
    assert parameters.keys() == TEMPLATE["Parameters"].keys()
    return {
        name: {
            logical_id: as_text(_value(_without_condition(element), parameters))
            for logical_id, element in TEMPLATE[name].items()
            if "Condition" not in element or _holds(element, parameters)
        }
        for name in ("Resources", "Outputs")
    }


def as_text(node: Any) -> Any:
    """The same with scalars as strings: CloudFormation takes 5 and '5' for one."""
    if isinstance(node, dict):
        entries = {key: as_text(child) for key, child in node.items()}
        if isinstance(entries.get("DependsOn"), str):
            entries["DependsOn"] = [entries["DependsOn"]]
        return entries
    if isinstance(node, list):
        return [as_text(child) for child in node]
    return str(node).lower() if isinstance(node, bool) else str(node)


def _without_condition(element: dict[str, Any]) -> dict[str, Any]:
    return {key: child for key, child in element.items() if key != "Condition"}


def _value(node: Any, parameters: dict[str, str]) -> Any:
    if isinstance(node, list):
        members = [_value(child, parameters) for child in node]
        return [child for child in members if child is not _NOTHING]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"}:
        return parameters.get(node["Ref"], _NOTHING if node["Ref"] == "AWS::NoValue" else node)
    if node.keys() == {"Fn::If"}:
        name, when_true, when_false = node["Fn::If"]
        chosen = when_true if _holds({"Condition": name}, parameters) else when_false
        return _value(chosen, parameters)
    if node.keys() == {"Fn::Sub"}:
        text = node["Fn::Sub"] if isinstance(node["Fn::Sub"], str) else node["Fn::Sub"][0]
        assert not set(re.findall(r"\$\{(\w+)\}", text)) & parameters.keys()
    entries = {key: _value(child, parameters) for key, child in node.items()}
    return {key: child for key, child in entries.items() if child is not _NOTHING}


def _holds(node: dict[str, Any], parameters: dict[str, str]) -> bool:
    if "Condition" in node:
        return _holds(TEMPLATE["Conditions"][node["Condition"]], parameters)
    ((function, arguments),) = node.items()
    if function == "Fn::Equals":
        left, right = (_value(argument, parameters) for argument in arguments)
        return str(left) == str(right)
    truths = [_holds(argument, parameters) for argument in arguments]
    return {"Fn::Not": not truths[0], "Fn::And": all(truths), "Fn::Or": any(truths)}[function]
