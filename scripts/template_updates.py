"""What changing each parameter of template.yaml does to a stack, by CloudFormation's schemas.

The schema of a resource type, as cfn-lint bundles it, says which properties are set only when the
resource is created: another value replaces the resource. The template says which properties depend
on a parameter, by `Ref`, `Fn::Sub`, `Fn::If` or the condition of a resource.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"
"""The region whose schemas are read: it has every resource type."""

TABLE = "AWS::DynamoDB::Table"

REQUESTS = {
    "AttributeDefinitions": "UpdateTable",
    "BillingMode": "UpdateTable",
    "ContributorInsightsSpecification": "UpdateContributorInsights",
    "DeletionProtectionEnabled": "UpdateTable",
    "GlobalSecondaryIndexes": "UpdateTable",
    "OnDemandThroughput": "UpdateTable",
    "PointInTimeRecoverySpecification": "UpdateContinuousBackups",
    "ProvisionedThroughput": "UpdateTable",
    "ResourcePolicy": "PutResourcePolicy",
    "SSESpecification": "UpdateTable",
    "TableClass": "UpdateTable",
    "TableName": "CreateTable",
    "Tags": "TagResource",
    "TimeToLiveSpecification": "UpdateTimeToLive",
    "WarmThroughput": "UpdateTable",
}
"""The call that carries each property of the table in an update."""


@functools.cache
def schema_of(resource_type: str) -> dict[str, Any]:
    """The schema of a resource type, such as `AWS::DynamoDB::Table`."""
    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(
        REGION, resource_type
    ).schema
    return found


def listed(resource_type: str, kind: str) -> set[str]:
    """The properties that a schema lists as `createOnlyProperties` and the like."""
    paths = (path.split("/") for path in schema_of(resource_type).get(kind, ()))
    return {path[2] for path in paths if len(path) == 3}


def effect(resource_type: str, name: str) -> str:
    """What another value of a property does to the resource."""
    if name in listed(resource_type, "createOnlyProperties"):
        return "replaces"
    if name in listed(resource_type, "conditionalCreateOnlyProperties"):
        return "may replace"
    return "in place"


def parameters_in(node: Any, template: Mapping[str, Any]) -> Iterator[str]:
    """The parameters that a part of the template depends on, conditions included.

    What names the table depends on `TableName`.
    """
    if isinstance(node, list):
        for child in node:
            yield from parameters_in(child, template)
    elif isinstance(node, Mapping):
        for key, child in node.items():
            names: list[str] = []
            if key == "Ref":
                names = [child]
            elif key == "Fn::Sub" and isinstance(child, str):
                names = re.findall(r"\$\{(\w+)[.}]", child)
            elif key == "Fn::GetAtt":
                names = child[:1]
            elif key == "Fn::If":
                yield from parameters_in(template["Conditions"][child[0]], template)
            elif key == "Condition" and isinstance(child, str):
                yield from parameters_in(template["Conditions"][child], template)
            names = ["TableName" if name == "Table" else name for name in names]
            yield from (name for name in names if name in template["Parameters"])
            yield from parameters_in(child, template)


def uses(template: Mapping[str, Any], parameter: str) -> Iterator[tuple[str, str, str]]:
    """Logical id, type and property that depend on a parameter; no property: whether it exists."""
    for logical_id, resource in template["Resources"].items():
        exists = {"Condition": resource["Condition"]} if "Condition" in resource else {}
        if parameter in parameters_in(exists, template):
            yield logical_id, resource["Type"], ""
        for name, value in resource["Properties"].items():
            if parameter in parameters_in(value, template):
                yield logical_id, resource["Type"], name


def updates(template: Mapping[str, Any]) -> Iterator[str]:
    """The rows of the table in docs/infrastructure.md, in the order of the parameters."""
    yield "| parameter | properties of the table | the table is | by | other resources |"
    yield "|---|---|---|---|---|"
    for parameter in template["Parameters"]:
        found = list(uses(template, parameter))
        names = [name for _, kind, name in found if kind == TABLE]
        effects = {effect(TABLE, name) for name in names}
        verdict = "updated in place" if names else "unchanged"
        if "replaces" in effects:
            verdict = "**replaced** by an empty one; the old one is kept"
        elif "may replace" in effects:
            verdict = "**perhaps replaced**"
        calls = ", ".join(sorted({f"`{REQUESTS[name]}`" for name in names}))
        cells = (f"`{parameter}`", ", ".join(f"`{name}`" for name in names), verdict, calls)
        yield f"| {' | '.join(cells)} | {_others(found)} |"


def _others(found: list[tuple[str, str, str]]) -> str:
    """What happens to resources of other types, each type once."""
    verbs: dict[str, set[str]] = {}
    for _, kind, name in found:
        if kind != TABLE:
            verb = effect(kind, name) if name else "created or deleted"
            verbs.setdefault(kind.split("::")[-1], set()).add(verb.replace("replaces", "replaced"))
    return "; ".join(f"{kind}: {', '.join(sorted(verb))}" for kind, verb in verbs.items())


def unseen_by_drift(template: Mapping[str, Any]) -> list[str]:
    """Write-only properties in use: drift detection does not read them."""
    return sorted(
        {
            f"{resource['Type']}.{name}"
            for resource in template["Resources"].values()
            for name in resource["Properties"]
            if name in listed(resource["Type"], "writeOnlyProperties")
        }
    )
