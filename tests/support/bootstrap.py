"""`bootstrap.yaml`: what its roles allow, and the actions that a script calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from botocore.client import BaseClient

from permissions import action_of
from samconfig import ROOT

BOOTSTRAP_FILE = ROOT / "bootstrap.yaml"
BOOTSTRAP: dict[str, Any] = yaml.safe_load(BOOTSTRAP_FILE.read_text(encoding="utf-8"))


def statements(role: str) -> Iterator[dict[str, Any]]:
    """The statements of a role's policies, also those that a condition adds."""
    for policy in BOOTSTRAP["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def granted(role: str) -> set[str]:
    """The actions that a role allows."""
    return {action for statement in statements(role) for action in statement["Action"]}


@contextmanager
def recorded_actions() -> Iterator[set[str]]:
    """The actions that boto3's clients of this process call."""
    found: set[str] = set()
    call = BaseClient._make_api_call

    def record(self: Any, operation: str, arguments: Any) -> Any:
        found.add(action_of(self.meta.service_model.signing_name, operation))
        return call(self, operation, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", record)
        yield found
