"""A table of another DynamoDB saver, to migrate threads from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DISTRIBUTION, ConfigurationError
from .known_arguments import known_arguments
from .table_config import check_table_name, region_of_arn

AWS = "langgraph-checkpoint-aws"
DYNAMODB_CHECKPOINT = "langgraph-dynamodb-checkpoint"
RELEASE_0_1_3 = "0.1.3"

_OWN = re.compile(r"[CDHMS]#")
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEYS = {
    AWS: re.compile(r"(CHECKPOINT|WRITES|CHUNK)_.*\n", re.DOTALL),
    RELEASE_0_1_3: re.compile(r".*\n.*#(checkpoint|write)#", re.DOTALL),
    DYNAMODB_CHECKPOINT: re.compile(rf".*\n{_UUID}(\$.*)?\Z", re.DOTALL),
}
"""What the keys of each layout look like: the partition key, a line end and the sort key."""

_TTL_ATTRIBUTES = {AWS: "ttl", DYNAMODB_CHECKPOINT: "ttl", RELEASE_0_1_3: "expireAt"}


@known_arguments
@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table of another DynamoDB saver, which `migrate` and `read_through` read as it is stored.

    It is read with the saver's own credentials and in its region, and never written to.

    Args:
        layout: Who wrote it: `langgraph-checkpoint-aws`, `langgraph-dynamodb-checkpoint`, or
            `0.1.3` for release 0.1.3 of this distribution, another author's.
        table_name: The table; for a table of another account, its ARN. It is in the saver's region.
        bucket: For `langgraph-checkpoint-aws` with `s3_offload_config`: its `bucket_name`.
        key_prefix: The `key_prefix` of that configuration.
        ttl_attribute: The attribute that holds an item's expiry; by default `ttl`, for `0.1.3`
            `expireAt`. Expired items are not copied.
        serde: Reads the table's values; by default the saver's serializer, which reads what
            LangGraph's default serializer has written.

    Raises:
        ConfigurationError: A value is invalid, or contradicts another.
    """

    layout: str
    table_name: str
    bucket: str | None = None
    key_prefix: str | None = None
    ttl_attribute: str | None = None
    serde: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.layout, str) or self.layout not in _TTL_ATTRIBUTES:
            allowed = ", ".join(map(repr, _TTL_ATTRIBUTES))
            raise ConfigurationError(f"layout={self.layout!r}: use one of {allowed}")
        check_table_name(self.table_name)
        for name in ("bucket", "key_prefix", "ttl_attribute"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise ConfigurationError(
                    f"{name}={value!r}: use a string of at least one character"
                )
        if self.layout != AWS and (self.bucket or self.key_prefix):
            raise ConfigurationError(
                f"bucket or key_prefix with layout={self.layout!r}, which stores nothing in S3: "
                "leave them out"
            )
        if self.key_prefix and not self.bucket:
            raise ConfigurationError(f"key_prefix={self.key_prefix!r} without a bucket: pass both")
        if isinstance(self.serde, type):
            raise ConfigurationError(f"serde is the class {self.serde.__name__}: pass an instance")
        if self.serde is not None and not hasattr(self.serde, "loads_typed"):
            raise ConfigurationError(
                f"serde is a {type(self.serde).__name__} without loads_typed: pass a serializer of "
                "LangGraph"
            )

    @property
    def region(self) -> str | None:
        """The region that the table's ARN names; `None` if `table_name` is a name."""
        return region_of_arn(self.table_name)

    @property
    def expiry_attribute(self) -> str:
        """The attribute that holds an item's expiry."""
        return self.ttl_attribute or _TTL_ATTRIBUTES[self.layout]


def layout_of(item: Mapping[str, Any]) -> str | None:
    """The layout of another saver that an item's keys have; `None` for all other items."""
    partition_key, sort_key = (item[name].get("S", "") for name in ("PK", "SK"))
    if _OWN.match(sort_key):
        return None
    keys = f"{partition_key}\n{sort_key}"
    return next((layout for layout, pattern in _KEYS.items() if pattern.match(keys)), None)


def writer_of(layout: str) -> str:
    """The package that wrote a layout."""
    return f"{DISTRIBUTION} {layout}" if layout == RELEASE_0_1_3 else layout
