"""The CDK stack is the template; no `cdk` command takes part."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import combinations
import expected
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from combinations import KEY_ARN

from langgraph_checkpoint_dynamodb import BillingMode, ConfigurationError, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.infra.cdk import DynamoDBCheckpointStack
from langgraph_checkpoint_dynamodb.infra.template import load_template, parameters_of, resolve

PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:111122223333:stack/s/1",
    "AWS::StackName": "s",
    "AWS::URLSuffix": "amazonaws.com",
}
STREAM_ACTIONS = {"dynamodb:GetRecords", "dynamodb:GetShardIterator"}


def new_app(**context: Any) -> cdk.App:
    """An app whose synthesis only synthesizes; the example's runs all checks."""
    return cdk.App(
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
        default_stack_synthesizer=cdk.DefaultStackSynthesizer(
            generate_bootstrap_version_rule=False
        ),
        context=context,
    )


def parameter_values(
    table_config: DynamoDBTableConfig,
    create_policies: bool = False,
    parameters: dict[str, str] | None = None,
) -> dict[str, str]:
    policies = {"CreatePolicies": str(create_policies).lower()}
    given = {**parameters_of(table_config), **policies, **(parameters or {})}
    declared = expected.TEMPLATE["Parameters"]
    return {name: given.get(name, str(rules["Default"])) for name, rules in declared.items()}


def add_function(scope: Any) -> lambda_.Function:
    return lambda_.Function(
        scope,
        "Graph",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
    )


def template_of(app: cdk.App, stack: cdk.Stack) -> dict[str, Any]:
    template: dict[str, Any] = app.synth().get_stack_artifact(stack.artifact_id).template
    return template


def statements_of(template: dict[str, Any]) -> list[dict[str, Any]]:
    (policy,) = (
        resource["Properties"]["PolicyDocument"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
    )
    return list(policy["Statement"])


def test_any_two_settings_synthesize_to_what_the_template_means() -> None:
    app = new_app()
    cases = combinations.arguments()
    for number, case in enumerate(cases):
        DynamoDBCheckpointStack(app, f"stack-{number}", **case)
    assembly = app.synth()
    assert len(cases) == len(assembly.stacks) > 20
    for number, case in enumerate(cases):
        synthesized = assembly.get_stack_by_name(f"stack-{number}").template
        values = parameter_values(**case)
        assert synthesized.keys() == {
            "AWSTemplateFormatVersion",
            "Description",
            "Resources",
            "Outputs",
        }
        assert {
            name: expected.as_text(synthesized[name]) for name in ("Resources", "Outputs")
        } == expected.sections(values), values
        # And what deploy=True would make of either is the same.
        assert expected.as_text(resources_of(synthesized, {})) == expected.as_text(
            resources_of(load_template(), values)
        )


def resources_of(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    made = {
        name: declared
        for name, declared in template["Resources"].items()
        if declared["Type"] not in {"AWS::CloudWatch::Alarm", "AWS::IAM::ManagedPolicy"}
    }
    found = resolve({**template, "Resources": made}, values, PSEUDO)
    return {name: [resource.type, resource.properties] for name, resource in found.items()}


def test_defaults_are_the_configurations() -> None:
    app = new_app()
    bare = DynamoDBCheckpointStack(app, "bare")
    told = DynamoDBCheckpointStack(app, "told", table_config=DynamoDBTableConfig())
    assert template_of(app, bare) == template_of(app, told)


def test_a_removed_stack_leaves_the_table() -> None:
    app = new_app()
    table = template_of(app, DynamoDBCheckpointStack(app, "s"))["Resources"]["Table"]
    policies = (table["DeletionPolicy"], table["UpdateReplacePolicy"])
    assert policies == ("RetainExceptOnCreate", "Retain")


def test_what_from_stack_reads_is_there_under_its_own_name() -> None:
    app = new_app()
    outputs = template_of(app, DynamoDBCheckpointStack(app, "s"))["Outputs"]
    exported = {
        *("TableName", "TableArn", "TtlAttribute", "TtlEnabled"),
        *("RunIndexEnabled", "ThreadIndexEnabled"),
    }
    exports = {f"{name}Export" for name in exported}
    assert outputs.keys() == exported | exports | {"Region", "TemplateVersion"}
    for name in exported:
        export = {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}
        assert outputs[f"{name}Export"]["Export"] == export


def test_tags_are_the_stacks_and_leave_the_template_alone() -> None:
    app = new_app()
    plain = DynamoDBCheckpointStack(app, "plain")
    tagged = DynamoDBCheckpointStack(app, "tagged", tags={"team": "chat"})
    assert template_of(app, plain) == template_of(app, tagged)
    artifact = app.synth().get_stack_by_name("tagged")
    assert artifact.tags == {"team": "chat"}


@pytest.mark.parametrize("environment", [None, "prod"])
def test_tags_of_the_app_join_the_environment(environment: str | None) -> None:
    app = new_app()
    config = DynamoDBTableConfig(environment=environment)
    stack = DynamoDBCheckpointStack(app, "s", table_config=config)
    cdk.Tags.of(app).add("team", "chat")
    table = template_of(app, stack)["Resources"]["Table"]["Properties"]
    own = {} if environment is None else {"Environment": environment}
    assert {tag["Key"]: tag["Value"] for tag in table["Tags"]} == {**own, "team": "chat"}


ARN = {"Fn::GetAtt": ["Table", "Arn"]}
WITHOUT_INDEX = {"enable_thread_index": False}
INDEX_ARN = {"Fn::Join": ["", [ARN, "/index/*"]]}


@pytest.mark.parametrize(
    ("settings", "resources", "key"),
    [
        ({}, [ARN, INDEX_ARN], None),
        (WITHOUT_INDEX, [ARN], None),
        ({**WITHOUT_INDEX, "enable_run_index": True}, [ARN, INDEX_ARN], None),
        ({"kms_key_arn": KEY_ARN}, [ARN, INDEX_ARN], KEY_ARN),
        ({**WITHOUT_INDEX, "kms_key_arn": KEY_ARN}, [ARN], KEY_ARN),
    ],
)
def test_a_grant_covers_the_index_and_the_key(
    settings: dict[str, Any], resources: list[Any], key: str | None
) -> None:
    app = new_app()
    stack = DynamoDBCheckpointStack(app, "s", table_config=DynamoDBTableConfig(**settings))
    stack.table.grant_read_write_data(add_function(stack))
    granted = {
        frozenset(statement["Action"]): statement["Resource"]
        for statement in statements_of(template_of(app, stack))
    }
    (data,) = (actions for actions in granted if "dynamodb:PutItem" in actions)
    assert granted.pop(data) == resources
    runtime = expected.TEMPLATE["Resources"]["RuntimePolicy"]["Properties"]["PolicyDocument"]
    assert set(runtime["Statement"][0]["Action"]) < data
    granted.pop(frozenset(STREAM_ACTIONS), None)
    assert list(granted.values()) == ([] if key is None else [key])
    assert all("kms:Decrypt" in actions for actions in granted)


def test_another_stack_is_granted_the_table_and_knows_its_name() -> None:
    app = new_app()
    stack = DynamoDBCheckpointStack(app, "s")
    other = cdk.Stack(app, "other")
    function = add_function(other)
    function.add_environment("TABLE", stack.table.table_name)
    stack.table.grant_read_write_data(function)
    template = template_of(app, other)
    exports = [
        output["Export"]["Name"]
        for output in template_of(app, stack)["Outputs"].values()
        if output["Value"] == ARN and isinstance(output.get("Export", {}).get("Name"), str)
    ]
    imported = {"Fn::ImportValue": exports[0]}
    index = {"Fn::Join": ["", [imported, "/index/*"]]}
    assert all(one["Resource"] == [imported, index] for one in statements_of(template))
    (graph,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    )
    last_part = {"Fn::Select": [5, {"Fn::Split": [":", imported]}]}
    assert graph["Environment"]["Variables"] == {
        "TABLE": {"Fn::Select": [1, {"Fn::Split": ["/", last_part]}]}
    }


NAMES = ("Runtime", "ReadOnly", "Maintenance", "Operator", "Tenant")


def policies_of(stack: DynamoDBCheckpointStack) -> list[Any]:
    names = ("runtime", "read_only", "maintenance", "operator", "tenant")
    return [getattr(stack, f"{name}_policy") for name in names]


def test_the_managed_policies_can_be_attached() -> None:
    app = new_app()
    stack = DynamoDBCheckpointStack(app, "s", create_policies=True)
    for policy in policies_of(stack):
        assert policy is not None
        role = iam.Role(stack, policy.node.id + "Role", assumed_by=iam.AccountRootPrincipal())
        role.add_managed_policy(policy)
    attached = [
        resource["Properties"]["ManagedPolicyArns"]
        for resource in template_of(app, stack)["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
    ]
    assert attached == [[{"Ref": f"{name}Policy"}] for name in NAMES]


def test_there_are_no_policies_unless_asked_for() -> None:
    stack = DynamoDBCheckpointStack(new_app(), "s")
    assert policies_of(stack) == [None] * len(NAMES)


@pytest.mark.parametrize("name", ["TableName", "CreatePolicies", "AlarmTopic"])
def test_a_parameter_that_another_argument_gives_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}.*use AlarmThrottledRequests, Alarm"):
        DynamoDBCheckpointStack(new_app(), "s", parameters={name: "x"})


def test_it_belongs_to_no_account_unless_told() -> None:
    app = new_app()
    DynamoDBCheckpointStack(app, "anywhere")
    env = cdk.Environment(account="111122223333", region="eu-central-1")
    DynamoDBCheckpointStack(app, "somewhere", env=env)
    assembly = app.synth()
    anywhere, somewhere = map(assembly.get_stack_by_name, ("anywhere", "somewhere"))
    assert anywhere.environment.name == "aws://unknown-account/unknown-region"
    assert somewhere.environment.name == "aws://111122223333/eu-central-1"
    assert "111122223333" not in json.dumps(anywhere.template)
    assert anywhere.template == somewhere.template


def test_a_stacks_own_arguments_are_its_own() -> None:
    app = new_app()
    DynamoDBCheckpointStack(
        app, "id", stack_name="chats", description="Ours", termination_protection=True
    )
    artifact = app.synth().get_stack_by_name("chats")
    assert artifact.template["Description"] == f"Ours\n{expected.TEMPLATE['Description']}"
    assert artifact.termination_protection


def test_resources_of_a_configuration_can_be_reached() -> None:
    config = DynamoDBTableConfig(
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=5,
        write_capacity=5,
        min_read_capacity=5,
        max_read_capacity=9,
    )
    app = new_app()
    stack = DynamoDBCheckpointStack(app, "s", table_config=config)
    target = stack.included.get_resource("TableReadScalableTarget")
    target.add_property_override("MaxCapacity", 10)
    resources = template_of(app, stack)["Resources"]
    assert resources["TableReadScalableTarget"]["Properties"]["MaxCapacity"] == 10
