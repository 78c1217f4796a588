"""The package's URLs, and a README whose links work on PyPI.

The repository is the one whose workflow builds: GitHub sets GITHUB_REPOSITORY. A build elsewhere
has no URLs and the README as it is. A build from an sdist takes both from the sdist's metadata.
"""

from __future__ import annotations

import os
import re
from email.parser import Parser
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
_IMAGES = (".png", ".svg")


def absolute_links(text: str, repository_url: str, tag: str) -> str:
    """Markdown whose relative links and images lead to a tag of a repository on GitHub."""

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link[1].endswith(_IMAGES) else "blob"
        return f"]({repository_url}/{kind}/{tag}/{link[1]})"

    return _RELATIVE_LINK.sub(absolute, text)


def urls(repository_url: str, tag: str) -> dict[str, str]:
    """What PyPI shows beside the package."""
    return {
        "Homepage": repository_url,
        "Documentation": f"{repository_url}/tree/{tag}/docs",
        "Changelog": f"{repository_url}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{repository_url}/issues",
    }


class ReleaseMetadata(MetadataHookInterface):
    """Fills in the dynamic fields `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both for the repository that builds."""
        root = Path(self.root)
        if (root / "PKG-INFO").exists():
            built = Parser().parsestr((root / "PKG-INFO").read_text(encoding="utf-8"))
            text = built.get_payload()
            links = dict(line.split(", ", 1) for line in built.get_all("Project-URL", ()))
        else:
            text = (root / "README.md").read_text(encoding="utf-8")
            links = {}
            if repository := os.environ.get("GITHUB_REPOSITORY"):
                server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
                tag = f"v{metadata['version']}"
                text = absolute_links(text, f"{server}/{repository}", tag)
                links = urls(f"{server}/{repository}", tag)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        if links:
            metadata["urls"] = links
