"""Prove that the function of `examples/sam` can be built from wheels alone, and fits Lambda.

For each Python and processor that its template allows, pip fetches what the function requires,
and nothing but wheels, as `sam build` does. This package's own wheel is taken from `dist`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from itertools import product
from pathlib import Path

import yaml

_ROOT = Path(__file__).parent.parent
_EXAMPLE = _ROOT / "examples" / "sam"
_PLATFORMS = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}
_LIMIT = 250 * 1024 * 1024
"""Of the function's files, unzipped: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def targets() -> list[tuple[str, str]]:
    """The template's runtimes and architectures, each with each."""
    parameters = yaml.safe_load((_EXAMPLE / "template.yaml").read_text())["Parameters"]
    allowed = (parameters[name]["AllowedValues"] for name in ("Runtime", "Architecture"))
    return list(product(*allowed))


def fetch(runtime: str, architecture: str, wheels: Path, directory: Path) -> list[Path]:
    """The wheels that pip chooses; it fails if a requirement has none."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "-qq", "--only-binary=:all:"),
            *("--platform", _PLATFORMS[architecture], "--implementation", "cp"),
            *("--python-version", runtime.removeprefix("python")),
            *("--find-links", wheels, "--dest", directory),
            *("--requirement", _EXAMPLE / "app" / "requirements.txt"),
        ],
        check=True,
    )
    return list(directory.glob("*.whl"))


def unpacked(wheel: Path) -> int:
    """Bytes of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def main(wheels: Path) -> int:
    """Check each target; 1 if one of them is too large."""
    too_large = False
    for runtime, architecture in targets():
        with tempfile.TemporaryDirectory() as directory:
            found = fetch(runtime, architecture, wheels, Path(directory))
            size = sum(map(unpacked, found))
        # Bytecode takes about as much as the source again.
        fits = 2 * size < _LIMIT
        too_large |= not fits
        megabytes = f"{size / 1e6:.0f} MB{'' if fits else ', too large with bytecode'}"
        print(f"{runtime} {architecture}: {len(found)} wheels, {megabytes}")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
