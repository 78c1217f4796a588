"""Prove that installing this package leaves langchain-aws at its newest version.

A hard requirement on aioboto3 would hold boto3 back, and pip would then take an
old langchain-aws without a word. A dry run shows what pip would choose.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_WATCHED = ("langchain-aws", "boto3", "botocore", "aiobotocore")
_TARGETS = {"base": str(_ROOT), "async": f"{_ROOT}[async]"}


def resolve(*requirements: str) -> dict[str, str]:
    """What pip would install into an empty environment: versions by name."""
    report = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "-qq", "--dry-run"),
            *("--ignore-installed", "--report", "-", *requirements),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    installs = (entry["metadata"] for entry in json.loads(report)["install"])
    return {data["name"].lower().replace("_", "-"): data["version"] for data in installs}


def main() -> int:
    """Compare each target with langchain-aws alone; 1 if one of them lowers it."""
    alone = resolve("langchain-aws")
    print("alone:", _shown(alone))
    lowered = []
    for name, target in _TARGETS.items():
        versions = resolve("langchain-aws", target)
        print(f"{name}:", _shown(versions))
        if versions["langchain-aws"] != alone["langchain-aws"]:
            lowered.append(name)
        # aiobotocore follows botocore within days; the base install may not lag at all.
        if name == "base" and versions["boto3"] != alone["boto3"]:
            lowered.append(f"{name} (boto3)")
    if lowered:
        print("lowered by:", ", ".join(lowered))
    return bool(lowered)


def _shown(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in _WATCHED if name in versions)


if __name__ == "__main__":
    sys.exit(main())
