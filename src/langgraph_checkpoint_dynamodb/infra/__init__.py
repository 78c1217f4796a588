"""template.yaml to a table: template, API calls, deploy, plan, destroy, CDK.

The rule: `template.yaml` is the source of truth. What `deploy=True` sends is evaluated from it, and
no setting of the table is written down a second time.
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
