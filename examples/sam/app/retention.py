"""Deletes the conversations that were inactive for too long; runs once a day."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

SAVER = DynamoDBSaver(
    DynamoDBConfig(
        table_config=DynamoDBTableConfig(
            table_name=os.environ["TABLE_NAME"],
            ttl_attribute=os.environ["TTL_ATTRIBUTE"],
        ),
        max_retries=8,  # nobody waits for an answer
    )
)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Delete, or with `{"dry_run": true}` count, what the retention time does not keep.

    If Lambda stops the function at its timeout, the next invocation continues.
    """
    inactive_for = timedelta(days=int(os.environ["RETENTION_DAYS"]))
    dry_run = event.get("dry_run") is True
    return asdict(SAVER.prune_threads(all_owners=True, inactive_for=inactive_for, dry_run=dry_run))
