"""`DynamoDBTableConfig`: what it refuses, and that the error names argument, value, way out."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import (
    BillingMode,
    ConfigurationError,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.config.table_config import WARM_UNITS
from stacks import KMS_KEY, PROVISIONED

SWITCHES = [
    "enable_encryption",
    "enable_point_in_time_recovery",
    "enable_ttl",
    "enable_deletion_protection",
    "enable_run_index",
    "enable_thread_index",
]
CAPACITIES = [
    *("read_capacity", "write_capacity"),
    *("min_read_capacity", "max_read_capacity", "min_write_capacity", "max_write_capacity"),
]
MAXIMA = ["max_read_request_units", "max_write_request_units"]
COOLDOWNS = ["scale_in_cooldown", "scale_out_cooldown"]

Bad = tuple[dict[str, Any], str, str]


def bad(argument: str, value: Any, way_out: str, **more: Any) -> Bad:
    """An argument that is refused by itself, whatever `more` says."""
    return {**more, argument: value}, f"{argument}={value!r}", way_out


BAD: list[Bad] = [
    *(
        bad("table_name", name, "3 to 255 characters of a-z")
        for name in ("ab", "x" * 256, "my table", "my/table", "chats\n", "", None, 5)
    ),
    *(
        bad("table_name", arn, "or its ARN")
        for arn in (
            "arn:aws:s3:eu-central-1:111122223333:table/chats",
            "arn:aws:dynamodb:eu-central-1:1:table/chats",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/chats/index/threads",
        )
    ),
    *(
        bad("environment", value, "1 to 256 characters .* leave it out for no tag")
        for value in ("", "x" * 257, "a,b", "é", "prod\n", 5)
    ),
    bad("billing_mode", "FREE", "use one of PAY_PER_REQUEST, PROVISIONED"),
    bad("billing_mode", None, "use one of PAY_PER_REQUEST, PROVISIONED"),
    bad("table_class", "COLD", "use one of STANDARD, STANDARD_INFREQUENT_ACCESS"),
    bad("table_class", None, "use one of STANDARD, STANDARD_INFREQUENT_ACCESS"),
    *(bad(name, value, "use True or False") for name in SWITCHES for value in (1, "true", None)),
    *(
        bad("ttl_attribute", name, "1 to 255 bytes")
        for name in ("", "x" * 256, "é" * 128, "\ud800", None)
    ),
    *(
        bad("ttl_attribute", name, "choose a name other than A, B, C, M, N, O, PK, R, SK, T")
        for name in ("PK", "SK", "A", "B", "C", "M", "O", "R", "T")
    ),
    bad("ttl_seconds", 60, "set enable_ttl=True or leave ttl_seconds out"),
    *(bad("ttl_seconds", value, "of 1 or more", enable_ttl=True) for value in (0, 1.5, "60", True)),
    bad("ttl_seconds", 10**10, "use at most", enable_ttl=True),
    *(
        bad("kms_key_arn", arn, "use the ARN of a KMS key, not of an alias, such as arn:aws:kms:")
        for arn in (
            "",
            "alias/chats",
            KMS_KEY.replace("key/", "alias/"),
            KMS_KEY.replace("kms", "s3"),
            f"{KMS_KEY}\n",
            5,
        )
    ),
    bad("kms_key_arn", f"{KMS_KEY}{'x' * 2048}", "use the ARN"),
    bad("kms_key_arn", KMS_KEY, "leave one of the two out", enable_encryption=False),
    *(bad("point_in_time_recovery_days", value, "of 1 or more") for value in (0, 1.5, True, None)),
    bad("point_in_time_recovery_days", 36, "use at most 35"),
    *(bad("target_utilization", value, "of 20 or more") for value in (19, 50.5, "70", None)),
    bad("target_utilization", 91, "use at most 90"),
    *(bad(name, -1, "of 0 or more") for name in COOLDOWNS),
    *(bad(name, 3601, "use at most 3600") for name in COOLDOWNS),
    *(bad(name, low - 1, f"of {low} or more") for name, low in WARM_UNITS.items()),
    *(bad(name, 10_000_001, "use at most 10000000") for name in WARM_UNITS),
    *(bad("index_read_capacity", value, "of 1 or more") for value in (0, 1.5, "5", True, None)),
    bad("index_read_capacity", 10_000_001, "use at most 10000000"),
    *(
        bad(name, value, "use a whole number of 1 or more", **{**PROVISIONED, name: None})
        for name in CAPACITIES
        for value in (0, -1, 1.5, "5", True)
    ),
    *(bad(name, 10_000_001, "use at most 10000000", **PROVISIONED) for name in CAPACITIES),
    *(bad(name, value, "of 1 or more") for name in MAXIMA for value in (0, 1.5, "5", True)),
    *(bad(name, 10_000_001, "use at most 10000000") for name in MAXIMA),
]


def contradiction(way_out: str, named: str, **arguments: Any) -> Bad:
    return arguments, named, way_out


CONTRADICTIONS: list[Bad] = [
    contradiction(
        "needs read_capacity and write_capacity",
        "read_capacity is missing",
        billing_mode=BillingMode.PROVISIONED,
        write_capacity=1,
    ),
    contradiction(
        "needs read_capacity and write_capacity",
        "write_capacity is missing",
        billing_mode="PROVISIONED",
        read_capacity=1,
    ),
    *(
        contradiction(
            "billing_mode=BillingMode.PROVISIONED; leave it out or change the mode",
            f"{name} with billing_mode=PAY_PER_REQUEST",
            **{name: 1},
        )
        for name in CAPACITIES
    ),
    *(
        contradiction(
            "billing_mode=BillingMode.PAY_PER_REQUEST; leave it out or change the mode",
            f"{name} with billing_mode=PROVISIONED",
            **{**PROVISIONED, name: 12_001},
        )
        for name in (*MAXIMA, *WARM_UNITS)
    ),
    *(
        contradiction(
            "autoscaling needs both",
            f"{bound}_{kind}_capacity=5",
            **{**PROVISIONED, f"{bound}_{kind}_capacity": 5},
        )
        for kind in ("read", "write")
        for bound in ("min", "max")
    ),
    contradiction(
        "swap them",
        "min_read_capacity=9 is over max_read_capacity=5",
        **{**PROVISIONED, "min_read_capacity": 9, "max_read_capacity": 5},
    ),
    contradiction(
        "lower one or raise the other",
        "index_read_capacity=6 is over max_read_capacity=5",
        **{**PROVISIONED, "min_read_capacity": 5, "max_read_capacity": 5, "index_read_capacity": 6},
    ),
    contradiction(
        "autoscaling would change it at once",
        "write_capacity=7 is not between min_write_capacity=8 and max_write_capacity=9",
        **{**PROVISIONED, "min_write_capacity": 8, "max_write_capacity": 9},
    ),
]


@pytest.mark.parametrize(("arguments", "named", "way_out"), [*BAD, *CONTRADICTIONS])
def test_what_cannot_work_is_refused(arguments: dict[str, Any], named: str, way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out) as raised:
        DynamoDBTableConfig(**arguments)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"table_name": "a.B"},
        {"table_name": "x" * 255},
        {"environment": "x" * 256},
        {"environment": "a b_.:/=+@-"},
        {"ttl_attribute": "é" * 127},
        {"enable_ttl": True, "ttl_seconds": 1},
        {"enable_ttl": True, "ttl_seconds": 100 * 365 * 24 * 3600},
        {"kms_key_arn": KMS_KEY.replace("aws:", "aws-cn:", 1)},
        {"kms_key_arn": KMS_KEY.replace("key/", "key/mrk-")},
        {**PROVISIONED, "min_read_capacity": 5, "max_read_capacity": 5},
        {
            **PROVISIONED,
            "min_read_capacity": 5,
            "max_read_capacity": 5,
            "index_read_capacity": 5,
        },
    ],
)
def test_what_works_at_the_edge_is_kept(arguments: dict[str, Any]) -> None:
    config = DynamoDBTableConfig(**arguments)
    assert {name: getattr(config, name) for name in arguments} == arguments


def test_choices_may_be_given_as_text() -> None:
    config = DynamoDBTableConfig(
        **{**PROVISIONED, "billing_mode": "PROVISIONED"}, table_class="STANDARD_INFREQUENT_ACCESS"
    )
    assert config.billing_mode is BillingMode.PROVISIONED
    assert config.table_class is TableClass.STANDARD_INFREQUENT_ACCESS
