"""Show as Markdown what `sam deploy --config-env ENVIRONMENT` would change, and change nothing.

Run with the Python that has aws-sam-cli: `.venvs/sam/bin/python scripts/preview_stack.py dev`.
sam itself makes the change set, so this shows what the same command would deploy. The change
set is described and deleted. The first one of an environment leaves an empty stack in review,
which the first deployment fills: deleting it would take a right that a preview shall not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

_SAM = Path(sys.executable).parent / "sam"


def create_change_set(environment: str) -> str | None:
    """Let sam make a change set; return its ARN, or None if there is nothing to change."""
    command = [_SAM, "deploy", "--config-env", environment, "--output", "json"]
    done = subprocess.run(
        [*command, "--no-execute-changeset", "--no-confirm-changeset"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"sam deploy --config-env {environment} failed:\n{done.stdout}")
    for line in done.stdout.splitlines():
        if line.startswith("{") and (arn := json.loads(line).get("changeset_id")):
            return str(arn)
    return None


def describe(client: Any, arn: str) -> list[dict[str, Any]]:
    """List the resources that the change set would change."""
    pages = client.get_paginator("describe_change_set").paginate(ChangeSetName=arn)
    return [change["ResourceChange"] for page in pages for change in page.get("Changes", ())]


def table(changes: list[dict[str, Any]]) -> list[str]:
    """One row for each resource: what happens to it, and whether it is replaced."""
    rows = [
        f"| {change['Action']} | `{change['LogicalResourceId']}` | {change['ResourceType']} "
        f"| {change.get('Replacement', '')} | {', '.join(_reasons(change))} |"
        for change in changes
    ]
    return ["| action | resource | type | replaced | because of |", "|---|---|---|---|---|", *rows]


def _reasons(change: dict[str, Any]) -> list[str]:
    targets = [detail.get("Target", {}) for detail in change.get("Details", ())]
    return sorted({target.get("Name") or target.get("Attribute", "") for target in targets})


def main() -> None:
    """Preview the environment that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: preview_stack.py ENVIRONMENT")
    environment = sys.argv[1]
    print(f"### {environment}\n")
    arn = create_change_set(environment)
    if arn is None:
        print("No changes.")
        return
    client = boto3.client("cloudformation")
    try:
        changes = describe(client, arn)
    finally:
        client.delete_change_set(ChangeSetName=arn)
    print("\n".join(table(changes) if changes else ["No changes to resources."]))


if __name__ == "__main__":
    main()
