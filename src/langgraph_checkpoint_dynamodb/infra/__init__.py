"""Creates the table that `template.yaml` describes: API calls, deploy, plan, destroy, CDK.

The rule: `template.yaml` is the only source of the table's settings. `deploy=True` evaluates it,
and no code repeats a setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cdk import DynamoDBCheckpointStack

__all__ = ["DynamoDBCheckpointStack"]


def __getattr__(name: str) -> Any:
    """Import the CDK stack on first use: it needs the extra `infra`."""
    if name != "DynamoDBCheckpointStack":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .cdk import DynamoDBCheckpointStack as stack  # noqa: PLC0415, N813

    return stack
