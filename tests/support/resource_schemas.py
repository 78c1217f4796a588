"""What the resource schemas that cfn-lint bundles say of the resources of a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from script_modules import load_script

schema_of: Callable[[str], dict[str, Any]] = load_script("template_updates").schema_of


def resources_by_type(template: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The properties of a template's resources, by their type."""
    found: dict[str, list[Any]] = {}
    for resource in template["Resources"].values():
        found.setdefault(resource["Type"], []).append(resource.get("Properties", {}))
    return found


def handler_actions(resource_type: str, *handlers: str) -> set[str]:
    """The IAM actions of the handlers, and of tags: a stack's tags become its resources' own."""
    schema = schema_of(resource_type)
    actions = {
        action for handler in handlers for action in schema["handlers"][handler]["permissions"]
    }
    return actions | set(schema.get("tagging", {}).get("permissions", ()))


def names_in(node: Any) -> Iterator[str]:
    """Every key of a nested structure."""
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield name
            yield from names_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from names_in(child)
