"""Rules that others wrote: checkov's, AWS Control Tower's, and AWS's list of IAM actions."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from parity.oracle import run_oracle

from bootstrap import BOOTSTRAP_FILE, statements
from samconfig import DEPLOYMENTS, ROOT, template_parameters
from stacks import TEMPLATE_FILE
from tools import tool

CONFIG = ROOT / ".checkov.yaml"
TEMPLATES = (TEMPLATE_FILE, BOOTSTRAP_FILE, ROOT / "examples" / "sam" / "template.yaml")
GUARD = ROOT / ".cache" / "cfn-guard"
ROLES = ("PreviewRole", "DeployRole", "SmokeRole", "ServiceRole")

ACCEPTED = {
    "dev": {"dynamodb_table_pitr_enabled_check": "its data may be lost"},
    "staging": {},
    "prod": {},
}
"""Findings of Control Tower's rules that are wanted, by environment, each with its reason."""


def checkov(templates: list[Path], folder: Path) -> dict[str, set[str]]:
    """The ids of failed checks, by file, without the suppressions."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    suppressed = config.pop("skip-check")
    assert suppressed
    bare = folder / "checkov.yaml"
    bare.write_text(yaml.safe_dump(config), encoding="utf-8")
    files = [part for template in templates for part in ("--file", str(template))]
    command = [tool("checkov", "checkov"), *files, "--config-file", bare, "--output", "json"]
    # In the root of the repository, checkov would read the suppressions again.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    found: dict[str, set[str]] = {}
    for check in report["results"]["failed_checks"]:
        found.setdefault(Path(check["file_abs_path"]).name, set()).add(check["check_id"])
    return found


def test_checkov_finds_what_is_suppressed_and_no_more(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    text = TEMPLATE_FILE.read_text(encoding="utf-8")
    broken.write_text(text.replace("SSESpecification:", "Other:"), encoding="utf-8")
    found = checkov([*TEMPLATES, broken], tmp_path)
    assert "CKV_AWS_119" in found.pop("broken.yaml")
    suppressed = set(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["skip-check"])
    assert set().union(*found.values()) == suppressed
    assert found.keys() == {"template.yaml"}


def test_a_suppression_has_its_reason() -> None:
    lines = re.findall(r"^  - (CKV\w+)(.*)$", CONFIG.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 3
    assert [check for check, reason in lines if not reason.startswith(" # ")] == []


def guard(template: Any, path: Path) -> dict[str, str]:
    """The verdicts of Control Tower's rules, by their names."""
    path.write_text(json.dumps(template), encoding="utf-8")
    command = [GUARD / "cfn-guard", "validate", "--rules", GUARD / "control-tower"]
    done = subprocess.run(
        [*command, "--data", path, "--show-summary", "all"],
        capture_output=True,
        text=True,
        check=False,
    )
    return dict(re.findall(r"^ct-[\w-]+\.guard/(\w+)\s+(PASS|FAIL|SKIP)$", done.stdout, re.M))


def test_control_tower_accepts_each_environment_but_for_what_is_written_down(
    tmp_path: Path,
) -> None:
    """The rules compare values, so they get the template with its conditions resolved."""
    with run_oracle() as oracle:
        answers = oracle.resolve([template_parameters(environment) for environment in ACCEPTED])
    assert ACCEPTED.keys() == DEPLOYMENTS.keys()
    for answer, accepted in zip(answers, ACCEPTED.values(), strict=True):
        assert answer.resources is not None
        resources = {
            logical_id: {"Type": resource["type"], "Properties": resource["properties"]}
            for logical_id, resource in answer.resources.items()
        }
        verdicts = guard({"Resources": resources}, tmp_path / "template.json")
        assert {name for name, one in verdicts.items() if one == "FAIL"} == accepted.keys()
        assert verdicts["dynamodb_table_encrypted_kms_check"] == "PASS"


def test_control_tower_accepts_the_roles(tmp_path: Path) -> None:
    template = yaml.safe_load(BOOTSTRAP_FILE.read_text(encoding="utf-8"))
    verdicts = guard(template, tmp_path / "template.json")
    assert "FAIL" not in verdicts.values()
    assert verdicts["iam_inline_policy_no_statements_with_full_access_check"] == "PASS"


def test_a_role_names_actions_that_exist_and_resources_that_they_take() -> None:
    granted = [statement for role in ROLES for statement in statements(role)]
    actions = sorted({action for statement in granted for action in statement["Action"]})
    script = Path(__file__).with_name("iam_actions.py")
    command = [tool("checkov", "python"), script, json.dumps(actions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    known = json.loads(done.stdout)
    assert [action for action in actions if known[action] is None] == []
    for statement in granted:
        for action in statement["Action"]:
            limited = statement["Resource"] != "*"
            assert bool(known[action]) == limited, action
