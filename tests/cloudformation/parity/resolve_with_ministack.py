"""Resolves CloudFormation templates with ministack's engine; runs in ministack's environment.

Each line of standard input is `{"template": text, "parameters": [{name: value}, ...]}`. Each is
answered by one line: a list with `{"resources": {logical id: {"type", "id", "properties"}}}` or
`{"refused": why}` for every parameter set. Resources come in the order in which a stack makes
them, without those whose condition does not hold.

The engine's functions are private, so its version is pinned exactly. Its server cannot serve
here: it has no autoscaling resources and drops most of a table's settings when a stack makes it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import set_request_region
from ministack.services.cloudformation import engine

REGION = "eu-central-1"
STACK = "stack"
STACK_ID = f"arn:aws:cloudformation:{REGION}:000000000000:stack/{STACK}/0"
GENERATED_NAME = "stack-Table-1A2B3C4D5E6F7"
KNOWN_REFERENCE = re.compile(
    r"AWS::(StackName|StackId|Region|AccountId|NoValue|URLSuffix|Partition)"
)


class RefusedError(Exception):
    """What CloudFormation would refuse, but the engine passes on."""


def resolve(template: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    """The steps of ministack's CreateStack, up to the first resource that it makes."""
    unknown = sorted(given.keys() - template["Parameters"].keys())
    if unknown:
        raise RefusedError(f"Parameters: {unknown} do not exist in the template")
    provided = [{"Key": name, "Value": value} for name, value in given.items()]
    parameters = engine._resolve_parameters(template, provided)
    try:
        conditions = engine._evaluate_conditions(template, parameters)
    except RecursionError:
        raise RefusedError("Circular dependency among the conditions") from None
    engine._evaluate_rules(template, parameters, conditions)
    declared = template["Resources"]
    made: dict[str, dict[str, Any]] = {}
    resources: dict[str, Any] = {}
    for logical_id in engine._topological_sort(declared, conditions):
        resource = declared[logical_id]
        properties = engine._resolve_refs(
            resource["Properties"],
            made,
            parameters,
            conditions,
            template.get("Mappings", {}),
            STACK,
            STACK_ID,
        )
        made[logical_id] = physical(logical_id, resource["Type"], properties)
        resources[logical_id] = {
            "type": resource["Type"],
            "id": made[logical_id]["PhysicalResourceId"],
            "properties": properties,
        }
    return resources


def physical(logical_id: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What `Ref` and `Fn::GetAtt` give for a resource."""
    if kind == "AWS::DynamoDB::Table":
        name = properties.get("TableName") or GENERATED_NAME
        arn = f"arn:aws:dynamodb:{REGION}:000000000000:table/{name}"
        return {
            "ResourceType": kind,
            "PhysicalResourceId": name,
            "Attributes": {"Arn": arn},
        }
    if kind == "AWS::ApplicationAutoScaling::ScalableTarget":
        parts = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        identity = "|".join(str(properties.get(part)) for part in parts)
        return {"ResourceType": kind, "PhysicalResourceId": identity, "Attributes": {}}
    attributes = {"AWS::IAM::Role": {"Arn": f"arn:aws:iam::000000000000:role/{logical_id}"}}
    return {
        "ResourceType": kind,
        "PhysicalResourceId": logical_id,
        "Attributes": attributes.get(kind, {}),
    }


def check(template: dict[str, Any]) -> None:
    """What does not depend on parameters; the engine resolves an unknown name to itself."""
    engine._validate_template_limits(template)
    engine._validate_template_statics(template)
    names = template["Parameters"].keys() | template["Resources"].keys()
    sections = {name: template[name] for name in ("Conditions", "Resources", "Outputs")}
    for name, _ in engine._intrinsic_references(sections):
        if name not in names and not KNOWN_REFERENCE.fullmatch(name):
            raise RefusedError(f"Unresolved resource dependencies [{name}]")
    for name in conditions_named(template["Conditions"], template["Resources"]):
        if name not in template["Conditions"]:
            raise RefusedError(f"Unresolved condition dependency [{name}]")


def conditions_named(*nodes: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, dict):
            if isinstance(node.get("Condition"), str):
                yield node["Condition"]
            if "Fn::If" in node:
                yield node["Fn::If"][0]
        if isinstance(node, dict | list):
            yield from conditions_named(*(node.values() if isinstance(node, dict) else node))


def answers(text: str, parameter_sets: list[dict[str, str]]) -> list[dict[str, Any]]:
    try:
        template = engine._parse_template(text)
        check(template)
    except (ValueError, RefusedError) as refusal:
        return [{"refused": str(refusal)}] * len(parameter_sets)
    found: list[dict[str, Any]] = []
    for given in parameter_sets:
        try:
            found.append({"resources": resolve(template, given)})
        except (ValueError, RefusedError) as refusal:
            found.append({"refused": str(refusal)})
    return found


def main() -> None:
    set_request_region(REGION)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answers(request["template"], request["parameters"])), flush=True)


if __name__ == "__main__":
    main()
