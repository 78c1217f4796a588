"""`bootstrap.yaml`: its roles allow what their jobs call, and nothing that has no reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cfnlint import api
from cfnlint.config import ManualArgs
from parity.oracle import run_oracle

from bootstrap import BOOTSTRAP, BOOTSTRAP_FILE, granted, statements
from resource_schemas import handler_actions, names_in, resources_by_type, schema_of
from samconfig import DEPLOYMENTS, template_parameters
from stacks import TEMPLATE

ROLES = ("PreviewRole", "DeployRole", "SmokeRole", "ServiceRole")

UNUSED: dict[str, dict[str, str]] = {
    "AWS::DynamoDB::Table": {
        "ImportSourceSpecification": r"dynamodb:(ImportTable|DescribeImport)|s3:.*|logs:.*",
        "KinesisStreamSpecification": (
            r"dynamodb:(Enable|Disable|Update)KinesisStreamingDestination|kinesis:.*"
        ),
        # AWS::DynamoDB::GlobalTable has the same handlers.
        "Replicas": (
            r"dynamodb:(CreateTableReplica|AssociateTableReplica|Scan|Query|"
            r"(Get|Put|Update|Delete|BatchWrite)Item)|iam:CreateServiceLinkedRole"
        ),
    },
    "AWS::ApplicationAutoScaling::ScalableTarget": {
        "ScheduledActions": r"application-autoscaling:(Put|Delete)ScheduledAction",
        "RoleARN": r"iam:PassRole",
    },
    "AWS::IAM::ManagedPolicy": {
        "Roles": r"iam:(At|De)tachRolePolicy",
        "Users": r"iam:(At|De)tachUserPolicy",
        "Groups": r"iam:(At|De)tachGroupPolicy",
    },
}
"""Actions of handlers that serve a property which the template does not use."""

ELSEWHERE = {"iam:CreateServiceLinkedRole"}
"""Beyond the handlers of the table: the first scalable target of an account needs it."""

NO_RESOURCE_TYPES = {
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
    "cloudwatch:GetMetricData",
    "kms:ListAliases",
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
lists no resource types for these."""


def needed_for(resource_type: str, uses: list[Any]) -> set[str]:
    """What CloudFormation calls to create, read, update and delete these resources."""
    actions = handler_actions(resource_type, "create", "read", "update", "delete")
    always = handler_actions(resource_type, "read")
    used = set(names_in(uses))
    for name, pattern in UNUSED.get(resource_type, {}).items():
        if name not in used:
            actions -= {one for one in actions - always if re.fullmatch(pattern, one)}
    if not any(one.get("ServiceNamespace") == "lambda" for one in uses):
        actions -= {one for one in actions if one.startswith("lambda:")}
    return actions


def needed() -> set[str]:
    found = (needed_for(*item) for item in resources_by_type(TEMPLATE).items())
    return ELSEWHERE.union(*found)


def test_cloudformation_may_do_what_the_template_needs() -> None:
    assert sorted(needed() - granted("ServiceRole")) == []


def test_cloudformation_may_do_nothing_else() -> None:
    assert sorted(granted("ServiceRole") - needed()) == []


def test_the_handlers_of_a_new_resource_type_are_missed() -> None:
    topic = needed_for("AWS::SNS::Topic", [{}])
    assert "sns:CreateTopic" in topic - granted("ServiceRole")


def test_a_property_that_comes_into_use_needs_its_actions() -> None:
    (table,) = resources_by_type(TEMPLATE)["AWS::DynamoDB::Table"]
    with_stream = needed_for("AWS::DynamoDB::Table", [table, {"KinesisStreamSpecification": {}}])
    assert "dynamodb:EnableKinesisStreamingDestination" in with_stream - needed()
    assert not [name for name in schema_of("AWS::DynamoDB::Table")["properties"] if "Repl" in name]


@pytest.mark.parametrize("role", ROLES)
def test_a_statement_names_actions_and_resources(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not [action for action in statement["Action"] if "*" in action]
        if statement["Resource"] == "*":
            assert set(statement["Action"]) <= NO_RESOURCE_TYPES
    sids = [statement["Sid"] for statement in statements(role)]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("PreviewRole", "repo:${Repository}:environment:${Environment}-preview"),
        ("DeployRole", "repo:${Repository}:environment:${Environment}"),
        ("SmokeRole", "repo:${Repository}:environment:${Environment}"),
    ],
)
def test_a_role_trusts_one_environment_of_one_repository(role: str, subject: str) -> None:
    properties = BOOTSTRAP["Resources"][role]["Properties"]
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": subject},
        }
    }


def test_only_cloudformation_changes_resources_and_only_one_role_executes() -> None:
    assert "cloudformation:ExecuteChangeSet" in granted("DeployRole")
    assert not granted("DeployRole") & {"cloudformation:CreateChangeSet", "iam:PassRole"}
    assert "cloudformation:ExecuteChangeSet" not in granted("PreviewRole")
    services = {action.split(":")[0] for action in granted("PreviewRole") | granted("DeployRole")}
    assert services == {"cloudformation", "iam"}
    (create,) = (one for one in statements("PreviewRole") if one["Sid"] == "CreateChangeSets")
    service_role = {"Fn::GetAtt": ["ServiceRole", "Arn"]}
    assert create["Condition"] == {"ArnEquals": {"cloudformation:RoleArn": service_role}}


def test_stacks_and_tables_have_the_names_that_the_roles_allow() -> None:
    name = BOOTSTRAP["Parameters"]["Name"]["Default"]
    for environment, deployment in DEPLOYMENTS.items():
        assert deployment["stack_name"] == f"{name}-{environment}"
        assert template_parameters(environment)["TableName"] == f"{name}-{environment}"


def test_cfn_lint_finds_nothing() -> None:
    text = BOOTSTRAP_FILE.read_text(encoding="utf-8")
    found = api.lint(text, config=ManualArgs(regions=["us-east-1", "eu-central-1"]))
    assert [f"{match.rule.id} {match.message}" for match in found] == []


PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def test_what_is_given_is_used_and_what_is_not_is_created_or_left_out() -> None:
    """By ministack's engine, which resolves the conditions of the template."""
    given = {"Repository": "octo-org/checkpoints", "Environment": "dev"}
    more = {
        **given,
        "OidcProviderArn": PROVIDER,
        "KmsKeyArn": KEY,
        "PermissionsBoundaryArn": BOUNDARY,
        "PolicyPath": "/chat/",
    }
    with run_oracle() as oracle:
        text = BOOTSTRAP_FILE.read_text(encoding="utf-8")
        bare, full = (answer.resources for answer in oracle.resolve([given, more], text))
    assert bare is not None
    assert full is not None
    assert bare.keys() - full.keys() == {"OidcProvider"}
    assert KEY not in str(bare)
    for role in ROLES:
        assert "PermissionsBoundary" not in bare[role]["properties"]
        assert full[role]["properties"]["PermissionsBoundary"] == BOUNDARY
    for role in ("SmokeRole", "ServiceRole"):
        assert KEY in str(full[role]["properties"])
    (trust,) = full["PreviewRole"]["properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Federated": PROVIDER}
    assert trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == (
        "repo:octo-org/checkpoints:environment:dev-preview"
    )
    policies = str(full["ServiceRole"]["properties"])
    assert ":policy/chat/langgraph-checkpoint-dev-*" in policies
    assert ":policy/langgraph-checkpoint-dev-*" in str(bare["ServiceRole"]["properties"])
