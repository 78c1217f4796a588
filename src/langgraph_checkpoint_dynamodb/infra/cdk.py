"""The template as an AWS CDK stack; needs the extra `infra`.

No other module of the package imports `aws_cdk`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.table_config import DynamoDBTableConfig
from ..errors import ConfigurationError
from .intrinsics import Scope, as_text
from .template import SETTINGS, load_template, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping


try:
    import aws_cdk as cdk
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from aws_cdk.cloudformation_include import CfnInclude
    from constructs import Construct
except ImportError as error:
    raise ImportError(
        f"{__package__} needs aws-cdk-lib, which cannot be imported ({error}): "
        'pip install "langgraph-checkpoint-amazon-dynamodb[infra]>=1.0"',
        name=error.name,
        path=error.path,
    ) from error

_NO_VALUE = {"Ref": "AWS::NoValue"}
_PARAMETER_SECTIONS = frozenset({"Conditions", "Metadata", "Rules"})


class DynamoDBCheckpointStack(cdk.Stack):
    """A stack of `template.yaml` with the settings of a configuration.

    Logical ids, outputs and export names are those of the template, so
    `DynamoDBSaver.from_stack` can read this stack.

    The synthesized template contains the values and has no parameters. With parameters,
    `cdk deploy` would reuse the values of the last deployment (its option
    `--previous-parameters` is on), so a changed configuration would have no effect.

    Args:
        scope: The app or stage.
        id: The construct's id, and the stack's name unless `stack_name` is given.
        table_config: The table; the defaults if left out. All values must be known when the
            app runs, so none can be a CDK token.
        create_policies: Create the managed policies too.
        parameters: Values of the template's parameters that are not settings of the table, such
            as `{"AlarmTopicArn": topic.topic_arn}`.
        tags: Tags of the stack. CloudFormation also adds them to its resources.
        stack_arguments: Other arguments of `aws_cdk.Stack`, such as `env`,
            `stack_name` and `termination_protection`.

    Attributes:
        table: The table, for its `grant_…` methods. They include the
            indexes and the customer managed KMS key that the configuration has, but
            not `dynamodb:PartiQLInsert`, which `share_puts` needs.
        runtime_policy: For applications that run graphs: five data calls, fewer than those of
            `table.grant_read_write_data`. `None` without `create_policies`, like the next four.
        read_only_policy: For readers of the table.
        maintenance_policy: For programs that delete, copy, prune and verify threads.
        operator_policy: For operators, who read the table and its settings.
        tenant_policy: For applications that run the graphs of one tenant.
        included: The template's elements, by their logical ids.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 (as aws_cdk.Stack names it)
        *,
        table_config: DynamoDBTableConfig | None = None,
        create_policies: bool = False,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        **stack_arguments: Any,
    ) -> None:
        super().__init__(scope, id, tags=None if tags is None else dict(tags), **stack_arguments)
        config = DynamoDBTableConfig() if table_config is None else table_config
        template = load_template()
        values = {
            **{name: as_text(given["Default"]) for name, given in template["Parameters"].items()},
            **parameters_of(config),
            "CreatePolicies": as_text(create_policies),
            **_checked(parameters or {}, template),
        }
        self.included: CfnInclude = self._include(_without_conditions(template, values), values)
        self.table: dynamodb.ITable = self._import_table(config)
        (
            self.runtime_policy,
            self.read_only_policy,
            self.maintenance_policy,
            self.operator_policy,
            self.tenant_policy,
        ) = (
            self._import_policy(f"{name}Policy") if create_policies else None
            for name in ("Runtime", "ReadOnly", "Maintenance", "Operator", "Tenant")
        )

    def _include(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> CfnInclude:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "template.json")
            path.write_text(json.dumps(template), encoding="utf-8")
            return CfnInclude(
                self, "Template", template_file=str(path), parameters=dict(parameters)
            )

    def _import_table(self, config: DynamoDBTableConfig) -> dynamodb.ITable:
        arn = config.kms_key_arn
        return dynamodb.Table.from_table_attributes(
            self,
            "ImportedTable",
            table_arn=self.included.get_resource("Table").get_att("Arn").to_string(),
            encryption_key=arn and kms.Key.from_key_arn(self, "EncryptionKey", arn),
            grant_index_permissions=config.enable_run_index or config.enable_thread_index,
        )

    def _import_policy(self, logical_id: str) -> iam.IManagedPolicy:
        arn = self.included.get_resource(logical_id).ref
        return iam.ManagedPolicy.from_managed_policy_arn(self, f"Imported{logical_id}", arn)


def _checked(parameters: Mapping[str, str], template: Mapping[str, Any]) -> Mapping[str, str]:
    """The parameters, if the template has them and no other argument gives them.

    Raises:
        ConfigurationError: It has not, or another argument does.
    """
    others = sorted(template["Parameters"].keys() - SETTINGS.keys() - {"CreatePolicies"})
    for name in parameters:
        if name not in others:
            raise ConfigurationError(
                f"parameters={{{name!r}: …}}: use {', '.join(others)}; the others are settings of "
                "table_config, and create_policies"
            )
    return parameters


def _without_conditions(
    template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, Any]:
    """The template with every condition evaluated, and without the sections for parameters.

    Conditions with constants would make `cdk synth` print many warnings, and CDK cannot add a tag
    to a table whose `Tags` is an `Fn::If`.
    """
    scope = Scope(template["Conditions"], parameters, template["Resources"])
    sections = {name: part for name, part in template.items() if name not in _PARAMETER_SECTIONS}
    for name in ("Resources", "Outputs"):
        sections[name] = {
            logical_id: _without_ifs(
                {key: value for key, value in element.items() if key != "Condition"}, scope
            )
            for logical_id, element in template[name].items()
            if "Condition" not in element or scope.named(element["Condition"])
        }
    return sections


def _without_ifs(node: Any, scope: Scope) -> Any:
    """Replace each `Fn::If` of a node by its branch, and remove what is `AWS::NoValue`."""
    if isinstance(node, list):
        members = [_without_ifs(member, scope) for member in node]
        return [member for member in members if member != _NO_VALUE]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, when_true, when_false = node["Fn::If"]
        return _without_ifs(when_true if scope.named(condition) else when_false, scope)
    entries = {key: _without_ifs(child, scope) for key, child in node.items()}
    return {key: child for key, child in entries.items() if child != _NO_VALUE}
