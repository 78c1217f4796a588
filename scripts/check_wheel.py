"""Check that a wheel carries its data files, and that a base install needs no async library."""

from __future__ import annotations

import os
import sys
import zipfile
from email.parser import Parser

_PACKAGE = "langgraph_checkpoint_dynamodb"
_FILES = tuple(
    f"{_PACKAGE}/{name}"
    for name in ("py.typed", "infra/template.yaml", "format/dictionary-1.zstd", "saver/saver.py")
)
_ASYNC = ("aiobotocore", "aioboto3")


def faults(path: str) -> list[str]:
    """Say what is wrong with the wheel; nothing if it is right."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        message = Parser().parsestr(wheel.read(metadata).decode())
    required = message.get_all("Requires-Dist") or []
    found = [f"{name} is missing" for name in _FILES if name not in names]
    roots = (f"{_PACKAGE}/", "langgraph_checkpoint_amazon_dynamodb-")
    strays = [name for name in names if not name.startswith(roots)]
    found += [f"{name} does not belong there" for name in strays]
    found += [
        f"a base install requires {line}"
        for line in required
        if line.startswith(_ASYNC) and "extra ==" not in line
    ]
    if os.environ.get("GITHUB_REPOSITORY") and not message.get_all("Project-URL"):
        found.append("it names no repository")
    return found


if __name__ == "__main__":
    wrong = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(path)]
    print("\n".join(wrong) or f"{', '.join(sys.argv[1:])}: complete")
    sys.exit(bool(wrong))
