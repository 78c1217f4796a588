"""Parameter sets at and past what the template allows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from langgraph_checkpoint_dynamodb.config.table_config import RESERVED_ATTRIBUTES
from parity.oracle import Parameters
from parity.parameter_sets import DECLARED, FACTORS, KEY_ARN
from stacks import TOPIC

BASES = FACTORS[0]
"""One accepted set for each way to give capacities."""

_LONG = {
    "KmsKeyArn": ("arn:aws:kms:eu-central-1:123456789012:key/", ""),
    "AlarmTopicArn": (TOPIC, ""),
    "PolicyPath": ("/", "/"),
    "AllowedPrincipals": ("arn:aws:iam::123456789012:role/", ""),
}
"""How a value begins and ends whose parameter has a pattern."""


def edges(name: str) -> Sequence[str]:
    """Values of a parameter on both sides of each of its bounds."""
    rules: dict[str, Any] = DECLARED[name]
    if "AllowedValues" in rules:
        return [*rules["AllowedValues"], "", "True", "other"]
    if rules["Type"] == "Number":
        bounds = (rules["MinValue"], rules["MaxValue"])
        numbers = {bound + step for bound in bounds for step in (-1, 0, 1)} | {0, 5}
        return ["", "five", *map(str, sorted(numbers))]
    longest = rules["MaxLength"]
    texts = ["a" * length for length in (0, 1, 2, 3, longest, longest + 1)]
    if name in _LONG:
        before, after = _LONG[name]
        widths = [length - len(before) - len(after) for length in (1, longest, longest + 1)]
        texts += [before + "a" * width + after for width in (0, *widths)]
    return [
        *texts,
        *sorted(RESERVED_ATTRIBUTES),
        "a*b",
        "a b",
        "a\n",
        "\u00e9",
        "\u00e9" * 128,
    ]


def with_edges(names: Sequence[str]) -> Iterator[Parameters]:
    """Every base with one of these parameters at each of its edges."""
    for base, name in itertools.product(BASES, names):
        for needed, value in itertools.product(_needed(name), edges(name)):
            yield base | needed | {name: value}


def with_pairs(names: Sequence[str]) -> Iterator[Parameters]:
    """Every base with each two of these parameters present, absent or otherwise at odds."""
    values = {name: _telling(name) for name in names}
    for base, (one, other) in itertools.product(BASES, itertools.combinations(names, 2)):
        for needed, first, second in itertools.product(
            _needed(one, other), values[one], values[other]
        ):
            yield base | needed | {one: first, other: second}


def _needed(*names: str) -> Sequence[Parameters]:
    """What else is given: a resource policy takes no key that AWS manages."""
    return [{}, {"EnableEncryption": "false"}] if "AllowedPrincipals" in names else [{}]


def _telling(name: str) -> Sequence[str]:
    rules = DECLARED[name]
    if name == "AllowedPrincipals":
        return ["", f"{_LONG[name][0]}graphs"]
    if "AllowedValues" in rules:
        return list(rules["AllowedValues"])
    return ["0", "5"] if rules["Type"] == "Number" else ["", KEY_ARN]
