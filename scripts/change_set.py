"""Preview, create and execute change sets of an environment of samconfig.toml.

    change_set.py preview ENVIRONMENT   show what deploying would change, and change nothing
    change_set.py create ENVIRONMENT    the same, and keep the change set for `execute`
    change_set.py execute ARN           execute this change set, and protect the stack

`preview` and `create` print Markdown. They fail if a table would be replaced or removed. `create`
also writes the ARN as `change-set` to the file that `GITHUB_OUTPUT` names; it is empty if there is
nothing to change. What they show is what `execute` does: CloudFormation refuses a change set if the
stack has changed since. The first change set of an environment leaves an empty stack in review,
which `execute` fills.

Every parameter has its value from samconfig.toml, as with `sam deploy`. sam cannot set what comes
from the environment variables:
    AWS_SERVICE_ROLE_ARN   the role that CloudFormation assumes
    ROLLBACK_ALARM_ARNS    alarms, separated by spaces: if one rings while the stack is updated or
                           in the ten minutes after, CloudFormation rolls the update back
"""

from __future__ import annotations

import os
import shlex
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).parents[1]
_TABLE = "AWS::DynamoDB::Table"
_MONITORING_MINUTES = 10
_NO_CHANGE = ("didn't contain changes", "No updates are to be performed")


def deployment_of(environment: str) -> dict[str, Any]:
    """What samconfig.toml says for `sam deploy --config-env ENVIRONMENT`."""
    config = tomllib.loads((_ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    if environment not in config or "deploy" not in config[environment]:
        sys.exit(f"samconfig.toml has no environment {environment!r} to deploy")
    found: dict[str, Any] = config[environment]["deploy"]["parameters"]
    return found


def request(deployment: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The arguments of CreateChangeSet, except for its type."""
    arguments: dict[str, Any] = {
        "StackName": deployment["stack_name"],
        "ChangeSetName": f"{prefix}-{uuid.uuid4().hex}",
        "TemplateBody": (_ROOT / deployment["template_file"]).read_text(encoding="utf-8"),
        "Capabilities": deployment["capabilities"],
        "Parameters": _pairs(deployment["parameter_overrides"], "ParameterKey", "ParameterValue"),
        "Tags": _pairs(deployment["tags"], "Key", "Value"),
    }
    if role := os.environ.get("AWS_SERVICE_ROLE_ARN"):
        arguments["RoleARN"] = role
    if alarms := os.environ.get("ROLLBACK_ALARM_ARNS", "").split():
        arguments["RollbackConfiguration"] = {
            "RollbackTriggers": [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in alarms],
            "MonitoringTimeInMinutes": _MONITORING_MINUTES,
        }
    return arguments


def _pairs(lines: list[str], name: str, value: str) -> list[dict[str, str]]:
    # As for sam, a value may be quoted; an empty one has to be.
    pairs = ("".join(shlex.split(line)).split("=", 1) for line in lines)
    return [dict(zip((name, value), pair, strict=True)) for pair in pairs]


def stack_exists(client: Any, stack_name: str) -> bool:
    """Whether the stack has been created; a stack in review has not."""
    try:
        (stack,) = client.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    if stack["StackStatus"] == "ROLLBACK_COMPLETE":
        sys.exit(
            f"stack {stack_name!r} could not be created: delete it, and see "
            "'When a stack ends' in docs/infrastructure.md for its table"
        )
    return bool(stack["StackStatus"] != "REVIEW_IN_PROGRESS")


def create(client: Any, environment: str, prefix: str) -> str | None:
    """Create a change set and return its ARN, or None if there is nothing to change."""
    arguments = request(deployment_of(environment), prefix)
    exists = stack_exists(client, arguments["StackName"])
    arguments["ChangeSetType"] = "UPDATE" if exists else "CREATE"
    arn: str = client.create_change_set(**arguments)["Id"]
    waiter = client.get_waiter("change_set_create_complete")
    try:
        waiter.wait(ChangeSetName=arn, WaiterConfig={"Delay": 2, "MaxAttempts": 150})
    except WaiterError as error:
        reason = client.describe_change_set(ChangeSetName=arn).get("StatusReason", "")
        client.delete_change_set(ChangeSetName=arn)
        if any(text in reason for text in _NO_CHANGE):
            return None
        sys.exit(f"the change set failed: {reason or error}")
    return arn


def changes(client: Any, arn: str) -> list[dict[str, Any]]:
    """List the resources that the change set would change."""
    pages = client.get_paginator("describe_change_set").paginate(ChangeSetName=arn)
    return [change["ResourceChange"] for page in pages for change in page.get("Changes", ())]


def markdown(found: list[dict[str, Any]]) -> str:
    """One row for each resource: what happens to it, and whether it is replaced."""
    if not found:
        return "No changes to resources."
    rows = [
        f"| {change['Action']} | `{change['LogicalResourceId']}` | {change['ResourceType']} "
        f"| {change.get('Replacement', '')} | {', '.join(_reasons(change))} |"
        for change in found
    ]
    head = ["| action | resource | type | replaced | because of |", "|---|---|---|---|---|"]
    return "\n".join(head + rows)


def _reasons(change: dict[str, Any]) -> list[str]:
    targets = [detail.get("Target", {}) for detail in change.get("Details", ())]
    return sorted({target.get("Name") or target.get("Attribute", "") for target in targets})


def lost_tables(found: list[dict[str, Any]]) -> list[str]:
    """The tables that the stack would no longer have afterwards, or may not have."""
    return [
        change["LogicalResourceId"]
        for change in found
        if change["ResourceType"] == _TABLE
        and (change["Action"] == "Remove" or change.get("Replacement") in {"True", "Conditional"})
    ]


def show(client: Any, environment: str, *, keep: bool) -> str:
    """Create a change set, print it, and return its ARN, or '' if there is none to execute.

    It is deleted unless `keep`, and always if it would replace or remove a table.
    """
    print(f"### {environment}\n")
    arn = create(client, environment, "deploy" if keep else "preview")
    if arn is None:
        print("No changes.")
        return ""
    found = changes(client, arn)
    print(markdown(found))
    lost = lost_tables(found)
    if lost or not keep:
        client.delete_change_set(ChangeSetName=arn)
    if lost:
        sys.exit(
            f"refused: {', '.join(lost)} would be replaced or removed from the stack. "
            "A new table would be empty, and the old one kept outside the stack."
        )
    return arn if keep else ""


def execute(client: Any, arn: str) -> None:
    """Execute a change set, wait for the stack, and switch its termination protection on."""
    change_set = client.describe_change_set(ChangeSetName=arn)
    print(markdown(changes(client, arn)))
    stack_id = change_set["StackId"]
    first = not stack_exists(client, stack_id)
    started = time.time()
    client.execute_change_set(ChangeSetName=arn)
    waiter = client.get_waiter("stack_create_complete" if first else "stack_update_complete")
    try:
        waiter.wait(StackName=stack_id, WaiterConfig={"Delay": 5, "MaxAttempts": 720})
    except WaiterError:
        (stack,) = client.describe_stacks(StackName=stack_id)["Stacks"]
        failures = "\n".join(_failures(client, stack_id, started))
        sys.exit(f"{stack['StackName']}: {stack['StackStatus']}\n{failures}")
    client.update_termination_protection(StackName=stack_id, EnableTerminationProtection=True)
    (stack,) = client.describe_stacks(StackName=stack_id)["Stacks"]
    print(f"\n{stack['StackName']}: {stack['StackStatus']}")


def _failures(client: Any, stack_id: str, started: float) -> list[str]:
    """What failed since a time, the first failure first."""
    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    events = [event for page in pages for event in page["StackEvents"]]
    return [
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
        and event["Timestamp"].timestamp() >= started - 1
    ]


def main() -> None:
    """Run the command that the command line names."""
    match sys.argv[1:]:
        case ["preview", environment]:
            show(boto3.client("cloudformation"), environment, keep=False)
        case ["create", environment]:
            arn = show(boto3.client("cloudformation"), environment, keep=True)
            print(f"\nChange set: {arn or 'none'}")
            if output := os.environ.get("GITHUB_OUTPUT"):
                with Path(output).open("a", encoding="utf-8") as file:
                    file.write(f"change-set={arn}\n")
        case ["execute", arn] if arn:
            execute(boto3.client("cloudformation"), arn)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
