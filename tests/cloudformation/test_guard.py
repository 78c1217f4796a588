"""The security baseline of the template, held by cfn-guard, and that its rules can fail."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks import TEMPLATE, TEMPLATE_FILE

ROOT = Path(__file__).parents[2]
RULES = ROOT / "tests" / "cloudformation" / "guard"
GUARD = ROOT / ".cache" / "cfn-guard" / "cfn-guard"


def broken_rules(template: Path) -> set[str]:
    """The rules that a template breaks, by cfn-guard's own word."""
    if not GUARD.exists():
        raise FileNotFoundError(f"{GUARD} is missing: `make tools` fetches it")
    done = subprocess.run(
        [GUARD, "validate", "--rules", RULES, "--data", template, "--show-summary", "all"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^baseline\.guard/(\w+)\s+(PASS|FAIL|SKIP)$", done.stdout, re.MULTILINE)
    broken = {rule for rule, verdict in found if verdict == "FAIL"}
    assert {rule for rule, _ in found} == rules(), done.stdout + done.stderr
    assert bool(done.returncode) == bool(broken), done.stdout + done.stderr
    return broken


def rules() -> set[str]:
    text = (RULES / "baseline.guard").read_text(encoding="utf-8")
    return set(re.findall(r"^rule (\w+)", text, re.MULTILINE))


def test_the_template_breaks_no_rule() -> None:
    assert broken_rules(TEMPLATE_FILE) == set()


def table(template: Any) -> Any:
    return template["Resources"]["Table"]


def statement(template: Any, policy: str = "RuntimePolicy", index: int = 0) -> Any:
    document = template["Resources"][policy]["Properties"]["PolicyDocument"]
    return document["Statement"][index]


def expiry(template: Any) -> Any:
    """A statement that a condition adds."""
    return statement(template, "RuntimePolicy", 1)["Fn::If"][1]


VIOLATIONS: list[tuple[str, Callable[[Any], Any]]] = [
    ("HAS_A_TABLE", lambda t: t["Resources"].pop("Table")),
    ("TABLE_IS_RETAINED", lambda t: table(t).pop("DeletionPolicy")),
    ("TABLE_IS_RETAINED", lambda t: table(t).update(DeletionPolicy="Snapshot")),
    ("TABLE_IS_RETAINED", lambda t: table(t).update(UpdateReplacePolicy="Delete")),
    ("ENCRYPTION_IS_STATED", lambda t: table(t)["Properties"].pop("SSESpecification")),
    (
        "ENCRYPTION_IS_STATED",
        lambda t: table(t)["Properties"]["SSESpecification"].pop("KMSMasterKeyId"),
    ),
    (
        "ENCRYPTION_IS_STATED",
        lambda t: t["Parameters"]["EnableEncryption"].update(Default="false"),
    ),
    (
        "RECOVERY_IS_STATED",
        lambda t: table(t)["Properties"].pop("PointInTimeRecoverySpecification"),
    ),
    ("RECOVERY_IS_STATED", lambda t: t["Parameters"].pop("EnablePointInTimeRecovery")),
    (
        "DELETION_PROTECTION_IS_STATED",
        lambda t: table(t)["Properties"].pop("DeletionProtectionEnabled"),
    ),
    (
        "DELETION_PROTECTION_IS_STATED",
        lambda t: t["Parameters"].pop("EnableDeletionProtection"),
    ),
    (
        "TABLE_IS_NOT_PUBLIC",
        lambda t: table(t)["Properties"]["ResourcePolicy"]["Fn::If"][1]["PolicyDocument"][
            "Statement"
        ][0].update(Principal="*"),
    ),
    ("POLICIES_ALLOW_NAMED_ACTIONS", lambda t: statement(t)["Action"].append("dynamodb:*")),
    ("POLICIES_ALLOW_NAMED_ACTIONS", lambda t: statement(t).update(Action="dynamodb:Get*")),
    ("POLICIES_ALLOW_NAMED_ACTIONS", lambda t: statement(t)["Action"].append("iam:PassRole")),
    (
        "POLICIES_ALLOW_NAMED_ACTIONS",
        lambda t: statement(t).update(NotAction=statement(t).pop("Action")),
    ),
    ("POLICIES_NAME_RESOURCES", lambda t: statement(t, "TenantPolicy").update(Resource="*")),
    ("POLICIES_NAME_RESOURCES", lambda t: statement(t, "OperatorPolicy", 1).pop("Resource")),
    (
        "POLICIES_NAME_RESOURCES",
        lambda t: statement(t, "ReadOnlyPolicy")["Resource"][1].update(
            {"Fn::Sub": "${Table.Arn}/index/*"}
        ),
    ),
    (
        "POLICIES_NAME_RESOURCES",
        lambda t: statement(t, "ReadOnlyPolicy")["Resource"].append("*"),
    ),
    ("POLICIES_NAME_RESOURCES", lambda t: expiry(t).update(Resource="*")),
    ("POLICIES_ALLOW_NAMED_ACTIONS", lambda t: expiry(t)["Action"].append("kms:*")),
    (
        "DATA_POLICIES_CANNOT_CHANGE_THE_TABLE",
        lambda t: expiry(t)["Action"].append("dynamodb:UpdateTable"),
    ),
    (
        "RECOVERY_IS_STATED",
        lambda t: t["Parameters"]["EnablePointInTimeRecovery"].update(Default="false"),
    ),
    (
        "POLICIES_NAME_RESOURCES",
        lambda t: statement(t, "OperatorPolicy", 3).update(Resource={"Fn::Sub": "arn:aws:*"}),
    ),
    (
        "POLICIES_NAME_RESOURCES",
        lambda t: statement(t, "OperatorPolicy", 2)["Action"].append("dynamodb:ListTables"),
    ),
    (
        "DATA_POLICIES_CANNOT_CHANGE_THE_TABLE",
        lambda t: statement(t)["Action"].append("dynamodb:DeleteTable"),
    ),
]


@pytest.mark.parametrize(("rule", "violate"), VIOLATIONS)
def test_a_template_that_breaks_a_rule_fails(
    tmp_path: Path, rule: str, violate: Callable[[Any], Any]
) -> None:
    template = copy.deepcopy(TEMPLATE)
    violate(template)
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template), encoding="utf-8")
    assert rule in broken_rules(path)


def test_every_rule_is_seen_to_fail() -> None:
    assert {rule for rule, _ in VIOLATIONS} == rules()
