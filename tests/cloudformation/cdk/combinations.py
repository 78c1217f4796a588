"""Configurations in which any two settings meet in every way that is allowed."""

from __future__ import annotations

import itertools
from typing import Any

from langgraph_checkpoint_dynamodb import BillingMode, DynamoDBTableConfig, TableClass

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:alarms"
_PROVISIONED = {
    "billing_mode": BillingMode.PROVISIONED,
    "read_capacity": 5,
    "write_capacity": 7,
    "index_read_capacity": 2,
}
_READ_SCALING = {"min_read_capacity": 3, "max_read_capacity": 50}
_WRITE_SCALING = {"min_write_capacity": 4, "max_write_capacity": 60, "scale_in_cooldown": 300}

# Each setting is one of these; a config is one choice of each.
_CHOICES: list[list[dict[str, Any]]] = [
    [
        {},
        {"max_read_request_units": 11},
        {"max_write_request_units": 12},
        {"max_read_request_units": 11, "max_write_request_units": 12},
        {"warm_read_units": 20_000, "warm_write_units": 9_000},
        _PROVISIONED,
        {**_PROVISIONED, **_READ_SCALING},
        {**_PROVISIONED, **_WRITE_SCALING},
        {**_PROVISIONED, **_READ_SCALING, **_WRITE_SCALING},
    ],
    [{}, {"enable_encryption": False}, {"kms_key_arn": KEY_ARN}],
    [
        {},
        {"enable_point_in_time_recovery": True},
        {"enable_point_in_time_recovery": True, "point_in_time_recovery_days": 7},
    ],
    [{}, {"enable_ttl": True}],
    [{}, {"ttl_attribute": "expires at"}],
    [{}, {"enable_deletion_protection": True}],
    [{}, {"table_class": TableClass.STANDARD_INFREQUENT_ACCESS}],
    [{}, {"enable_run_index": True}],
    [{}, {"enable_thread_index": False}],
    [{}, {"environment": "prod"}],
    [{}, {"table_name": "chats"}],
    [{}, {"create_policies": True}],
    [{}, {"parameters": {"AlarmTopicArn": TOPIC, "PolicyPath": "/teams/"}}],
]


def _pairs(row: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    return set(itertools.combinations(enumerate(row), 2))


def arguments() -> list[dict[str, Any]]:
    """Arguments of `DynamoDBCheckpointStack`, the fewest that a greedy choice finds."""
    missing = {
        ((first, i), (second, j))
        for first, second in itertools.combinations(range(len(_CHOICES)), 2)
        for i in range(len(_CHOICES[first]))
        for j in range(len(_CHOICES[second]))
    }
    chosen = []
    while missing:
        (first, i), (second, j) = min(missing)
        row = [0] * len(_CHOICES)
        row[first], row[second] = i, j
        for position in set(range(len(row))) - {first, second}:
            tries = [
                (*row[:position], choice, *row[position + 1 :])
                for choice in range(len(_CHOICES[position]))
            ]
            row = list(max(tries, key=lambda one: len(_pairs(one) & missing)))
        missing -= _pairs(tuple(row))
        chosen.append(_arguments_of(row))
    return chosen


def _arguments_of(row: list[int]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for choices, choice in zip(_CHOICES, row, strict=True):
        settings |= choices[choice]
    stack = settings.keys() & {"create_policies", "parameters"}
    others = {name: settings.pop(name) for name in stack}
    return {"table_config": DynamoDBTableConfig(**settings), **others}
