"""The distributions: what is in them, and what PyPI shows of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from readme_renderer import markdown

from samconfig import ROOT, read_toml
from script_modules import load_script

REPOSITORY = "https://github.com/octo-org/checkpoints"
TAG = f"v{read_toml(ROOT / 'pyproject.toml')['project']['version']}"


def build(source: Path, target: Path, **variables: str) -> tuple[Path, Path]:
    """Build the wheel and the sdist of a source tree."""
    environment = {name: value for name, value in os.environ.items() if "GITHUB" not in name}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", target],
        cwd=source,
        env={**environment, **variables},
        check=True,
        capture_output=True,
    )
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return wheel, sdist


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist as the release workflow of a repository builds them."""
    return build(ROOT, tmp_path_factory.mktemp("dist"), GITHUB_REPOSITORY="octo-org/checkpoints")


def test_the_urls_are_those_of_the_repository_that_builds(released: tuple[Path, Path]) -> None:
    urls = dict(line.split(", ") for line in metadata(released[0]).get_all("Project-URL", []))
    assert urls == {
        "Homepage": REPOSITORY,
        "Documentation": f"{REPOSITORY}/tree/{TAG}/docs",
        "Changelog": f"{REPOSITORY}/blob/{TAG}/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
    }


def test_the_package_page_renders_and_its_links_lead_to_files_of_the_tag(
    released: tuple[Path, Path],
) -> None:
    page = markdown.render(metadata(released[0]).get_payload())
    assert page is not None
    targets = re.findall(r'(?:href|src)="([^"]+)"', page)
    files = [target for target in targets if target.startswith(REPOSITORY)]
    assert len(files) > 10
    for target in files:
        kind, tag, path = target.removeprefix(f"{REPOSITORY}/").split("/", 2)
        assert (kind, tag) == ("raw" if path.endswith(".svg") else "blob", TAG)
        assert (ROOT / path.split("#")[0]).exists()
    assert [one for one in targets if not one.startswith(("https://", "http://", "#"))] == []


@pytest.mark.parametrize(
    ("link", "absolute"),
    [
        ("[a](docs/a.md#b)", "[a](R/blob/v1/docs/a.md#b)"),
        ("[![a](b.svg)](c.md)", "[![a](R/raw/v1/b.svg)](R/blob/v1/c.md)"),
        ("[a](#b)", "[a](#b)"),
        ("[a](https://b)", "[a](https://b)"),
    ],
)
def test_a_link_becomes_absolute(link: str, absolute: str) -> None:
    module = load_script("../hatch_build")
    assert module.absolute_links(link, "R", "v1") == absolute


def test_a_build_elsewhere_names_no_repository(tmp_path: Path) -> None:
    wheel, _ = build(ROOT, tmp_path)
    assert metadata(wheel).get_all("Project-URL") is None
    assert metadata(wheel).get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_sdist_builds_the_same_wheel_and_leaves_the_tests_out(
    released: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, sdist = released
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {path.name for path in source.iterdir() if path.is_dir()} == {"src"}
    again, _ = build(source, tmp_path / "dist")
    assert metadata(again).items() == metadata(wheel).items()
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert second.namelist() == first.namelist()
        assert {one.filename: one.CRC for one in second.infolist()} == {
            one.filename: one.CRC for one in first.infolist()
        }


def test_the_check_of_a_wheel_finds_what_is_missing(
    released: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = load_script("check_wheel").faults
    assert faults(str(released[0])) == []
    plain, _ = build(ROOT, tmp_path)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert faults(str(plain)) == []
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo-org/checkpoints")
    assert faults(str(plain)) == ["it names no repository"]


def test_an_install_line_cannot_get_the_0_1_of_another_author() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.*")]
    name = "langgraph-checkpoint-amazon-dynamodb"
    lines = [
        line
        for page in [*pages, *(ROOT / "src").rglob("*.py")]
        if page.suffix in {".md", ".py", ".txt"}
        for line in page.read_text(encoding="utf-8").splitlines()
        if name in line and ("install" in line or re.search(rf"{name}\[", line))
    ]
    assert len(lines) > 3
    assert [line for line in lines if not re.search(rf"{name}(\[\w+\])?>=1\.0", line)] == []
