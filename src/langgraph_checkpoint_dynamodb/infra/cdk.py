"""The template as an AWS CDK stack; needs the extra `infra`.

Nothing else of the package imports this module, nor `aws_cdk`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.table_config import DynamoDBTableConfig
from .intrinsics import Scope, as_text
from .template import load_template, parameters_of

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
        'pip install "langgraph-checkpoint-amazon-dynamodb[infra]"',
        name=error.name,
        path=error.path,
    ) from error

_NO_VALUE = {"Ref": "AWS::NoValue"}
_OF_PARAMETERS = frozenset({"Conditions", "Metadata", "Rules"})
_GRANT_ON_ALIASES = "@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal"


class DynamoDBCheckpointStack(cdk.Stack):
    """A stack that is `template.yaml` with the parameters that a configuration means.

    Logical ids, outputs and export names are the template's, so
    `DynamoDBSaver.from_stack` reads this stack as any other.

    The values stand in the synthesized template, which has no parameters. With
    parameters, `cdk deploy` would go on with the values of the last deployment
    (its option `--previous-parameters` is on), and a changed configuration
    would change nothing.

    Args:
        scope: The app or stage.
        id: The construct's id, and the stack's name unless `stack_name` is given.
        table_config: The table; every default when left out. All its values
            have to be known when the app runs, so none can be a CDK token.
        create_policies: Make the managed policies too. They say nothing of a
            customer's KMS key; a grant of `table` does.
        tags: Tags of the stack. CloudFormation gives them to its resources.
        stack_arguments: What `aws_cdk.Stack` takes, such as `env`,
            `stack_name` and `termination_protection`.

    Attributes:
        table: The table, for its `grant_…` methods. They include the run-id
            index and the customer's KMS key if the configuration has them, but
            not `dynamodb:PartiQLInsert`, which `share_puts` needs.
        runtime_policy: For what runs a graph: the saver's data calls and no
            more, mostly fewer than `table.grant_read_write_data` gives. `None`
            without `create_policies`, as the next two.
        operator_policy: For those who look after the table without changing it.
        tenant_policy: For what runs graphs of one tenant only.
        included: The template's elements, by their logical ids.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 (as aws_cdk.Stack names it)
        *,
        table_config: DynamoDBTableConfig | None = None,
        create_policies: bool = False,
        tags: Mapping[str, str] | None = None,
        **stack_arguments: Any,
    ) -> None:
        super().__init__(scope, id, tags=None if tags is None else dict(tags), **stack_arguments)
        config = DynamoDBTableConfig() if table_config is None else table_config
        template = load_template()
        parameters = {
            **{name: as_text(given["Default"]) for name, given in template["Parameters"].items()},
            **parameters_of(config),
            "CreatePolicies": as_text(create_policies),
        }
        self.included: CfnInclude = self._include(_settled(template, parameters), parameters)
        self.table: dynamodb.ITable = self._import_table(config)
        self.runtime_policy, self.operator_policy, self.tenant_policy = (
            self._import_policy(logical_id) if create_policies else None
            for logical_id in ("RuntimePolicy", "OperatorPolicy", "TenantPolicy")
        )

    def _include(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> CfnInclude:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "template.json")
            path.write_text(json.dumps(template), encoding="utf-8")
            return CfnInclude(
                self, "Template", template_file=str(path), parameters=dict(parameters)
            )

    def _import_table(self, config: DynamoDBTableConfig) -> dynamodb.ITable:
        return dynamodb.Table.from_table_attributes(
            self,
            "ImportedTable",
            table_arn=self.included.get_resource("Table").get_att("Arn").to_string(),
            encryption_key=None if config.kms_key_arn is None else self._key(config.kms_key_arn),
            grant_index_permissions=config.enable_run_index,
        )

    def _key(self, arn: str) -> kms.IKey:
        _, _, alias = arn.partition(":alias/")
        if not alias:
            return kms.Key.from_key_arn(self, "EncryptionKey", arn)
        # Without this flag a grant on an alias grants nothing, and does not say so.
        scope = Construct(self, "EncryptionKey")
        scope.node.set_context(_GRANT_ON_ALIASES, True)
        return kms.Alias.from_alias_name(scope, "Alias", f"alias/{alias}")

    def _import_policy(self, logical_id: str) -> iam.IManagedPolicy:
        arn = self.included.get_resource(logical_id).ref
        return iam.ManagedPolicy.from_managed_policy_arn(self, f"Imported{logical_id}", arn)


def _settled(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """The template with every condition decided, and without what only served its parameters.

    Conditions of constants would fill `cdk synth` with warnings, and CDK cannot add
    a tag to a table whose `Tags` is one `Fn::If`.
    """
    scope = Scope(template["Conditions"], parameters, template["Resources"])
    settled = {name: part for name, part in template.items() if name not in _OF_PARAMETERS}
    for name in ("Resources", "Outputs"):
        settled[name] = {
            logical_id: _decided(
                {key: value for key, value in element.items() if key != "Condition"}, scope
            )
            for logical_id, element in template[name].items()
            if "Condition" not in element or scope.named(element["Condition"])
        }
    return settled


def _decided(node: Any, scope: Scope) -> Any:
    """The node with a branch in the place of each `Fn::If`, and without what is no value."""
    if isinstance(node, list):
        return [_decided(member, scope) for member in node]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, when_true, when_false = node["Fn::If"]
        return _decided(when_true if scope.named(condition) else when_false, scope)
    entries = {key: _decided(child, scope) for key, child in node.items()}
    return {key: child for key, child in entries.items() if child != _NO_VALUE}
