"""Import an existing table into a new stack of template.yaml.

    adopt_table.py STACK TABLE [PARAMETER=VALUE ...]

The parameters are those that describe the table as it is; `plan()` says whether they do. The change
set is shown and executed. The table keeps its data and serves requests as before.

An import creates nothing and takes no outputs, so its template is template.yaml with `Table` alone
under Resources. Deploy the whole template to the stack afterwards, with the same parameters.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boto3
import yaml

_TEMPLATE = Path(__file__).parents[1] / "template.yaml"
_CHANGE_SET = "import-table"
_WAIT = {"Delay": 2, "MaxAttempts": 300}


def import_template(text: str) -> str:
    """The template with what its table needs, and nothing else."""
    template = yaml.safe_load(text)
    kept = {name: part for name, part in template.items() if name not in {"Metadata", "Outputs"}}
    return yaml.safe_dump(
        {**kept, "Resources": {"Table": template["Resources"]["Table"]}}, sort_keys=False
    )


def request(stack_name: str, table_name: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The arguments of CreateChangeSet."""
    return {
        "StackName": stack_name,
        "ChangeSetName": _CHANGE_SET,
        "ChangeSetType": "IMPORT",
        "TemplateBody": import_template(_TEMPLATE.read_text(encoding="utf-8")),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in {**parameters, "TableName": table_name}.items()
        ],
        "ResourcesToImport": [
            {
                "ResourceType": "AWS::DynamoDB::Table",
                "LogicalResourceId": "Table",
                "ResourceIdentifier": {"TableName": table_name},
            }
        ],
    }


def adopt(client: Any, stack_name: str, table_name: str, parameters: dict[str, str]) -> None:
    """Import the table, and wait until the stack has it."""
    arguments = request(stack_name, table_name, parameters)
    arn: str = client.create_change_set(**arguments)["Id"]
    client.get_waiter("change_set_create_complete").wait(ChangeSetName=arn, WaiterConfig=_WAIT)
    for change in client.describe_change_set(ChangeSetName=arn)["Changes"]:
        resource = change["ResourceChange"]
        print(f"{resource['Action']} {resource['LogicalResourceId']}: {table_name}")
    client.execute_change_set(ChangeSetName=arn)
    client.get_waiter("stack_import_complete").wait(StackName=stack_name, WaiterConfig=_WAIT)
    print(f"{stack_name}: imported. Now deploy template.yaml to it, with the same parameters.")


def main() -> None:
    """Adopt the table that the command line names."""
    match sys.argv[1:]:
        case [stack_name, table_name, *overrides] if all("=" in each for each in overrides):
            parameters = dict(each.split("=", 1) for each in overrides)
            adopt(boto3.client("cloudformation"), stack_name, table_name, parameters)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
