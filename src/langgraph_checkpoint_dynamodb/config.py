"""What a user configures: the table and how to reach it.

Both configurations are frozen and validated when made, so that a mistake shows
where it was written and not at the first request of a running graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

RESERVED_ATTRIBUTES = frozenset({"PK", "SK", "B", "R", "T"})
"""The names of the attributes that items use; see `items.py`."""

_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_MAX_ATTRIBUTE_NAME_BYTES = 255
_MAX_TTL_SECONDS = 100 * 365 * 24 * 3600
_MAX_CAPACITY_UNITS = 10_000_000
_DEFAULT_CACHE_BYTES = 64 * 1024 * 1024


class BillingMode(str, Enum):
    """How DynamoDB bills the table.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadWriteCapacityMode.html
    """

    PAY_PER_REQUEST = "PAY_PER_REQUEST"
    PROVISIONED = "PROVISIONED"


@dataclass(frozen=True, kw_only=True)
class DynamoDBTableConfig:
    """The table: what `template.yaml` makes of its parameters, and `deploy=True` of this.

    Args:
        table_name: 3 to 255 characters of `a-z A-Z 0-9 _ . -`.
        billing_mode: `PROVISIONED` needs `read_capacity` and `write_capacity`.
        enable_encryption: Encrypt with the AWS managed KMS key; off means the
            AWS owned key (DynamoDB always encrypts at rest).
        enable_point_in_time_recovery: Continuous backups.
        enable_ttl: Let DynamoDB delete expired items.
        ttl_attribute: The attribute that holds an item's expiry, in epoch seconds.
        ttl_seconds: How long a checkpoint lives, in seconds; needs `enable_ttl`.
            `None` with `enable_ttl` on: the table expires items, but the
            saver gives them no expiry.
        read_capacity: Read capacity units a second, `PROVISIONED` only.
        write_capacity: Write capacity units a second, `PROVISIONED` only.
        min_read_capacity: Lower bound of read autoscaling, `PROVISIONED` only.
        max_read_capacity: Upper bound of read autoscaling.
        min_write_capacity: Lower bound of write autoscaling.
        max_write_capacity: Upper bound of write autoscaling.

    Raises:
        ConfigurationError: A value that AWS would refuse or that contradicts another.
    """

    table_name: str = "langgraph-checkpoint"
    billing_mode: BillingMode = BillingMode.PAY_PER_REQUEST
    enable_encryption: bool = True
    enable_point_in_time_recovery: bool = False
    enable_ttl: bool = False
    ttl_attribute: str = "ttl"
    ttl_seconds: int | None = None
    read_capacity: int | None = None
    write_capacity: int | None = None
    min_read_capacity: int | None = None
    max_read_capacity: int | None = None
    min_write_capacity: int | None = None
    max_write_capacity: int | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_ttl()
        self._check_capacities()

    def _check_names(self) -> None:
        if not isinstance(self.table_name, str) or not _TABLE_NAME.fullmatch(self.table_name):
            raise ConfigurationError(
                f"table_name={self.table_name!r}: AWS wants 3 to 255 characters of "
                "a-z, A-Z, 0-9, '_', '.' and '-'"
            )
        try:
            object.__setattr__(self, "billing_mode", BillingMode(self.billing_mode))
        except ValueError:
            allowed = ", ".join(mode.value for mode in BillingMode)
            raise ConfigurationError(
                f"billing_mode={self.billing_mode!r}: use one of {allowed}"
            ) from None

    def _check_ttl(self) -> None:
        name = self.ttl_attribute
        if (
            not isinstance(name, str)
            or not 0 < len(name.encode(errors="replace")) <= _MAX_ATTRIBUTE_NAME_BYTES
        ):
            raise ConfigurationError(
                f"ttl_attribute={name!r}: an attribute name has 1 to 255 bytes"
            )
        if name in RESERVED_ATTRIBUTES:
            raise ConfigurationError(
                f"ttl_attribute={name!r}: the saver uses this attribute itself; choose another "
                f"name than {', '.join(sorted(RESERVED_ATTRIBUTES))}"
            )
        if self.ttl_seconds is None:
            return
        if not self.enable_ttl:
            raise ConfigurationError(
                f"ttl_seconds={self.ttl_seconds!r} without enable_ttl: DynamoDB would never delete "
                "the expired items; set enable_ttl=True or leave ttl_seconds out"
            )
        _check_integer("ttl_seconds", self.ttl_seconds, 1, _MAX_TTL_SECONDS)

    def _check_capacities(self) -> None:
        units = {
            f"{prefix}{kind}_capacity": getattr(self, f"{prefix}{kind}_capacity")
            for prefix in ("", "min_", "max_")
            for kind in ("read", "write")
        }
        given = {name: value for name, value in units.items() if value is not None}
        if self.billing_mode is BillingMode.PAY_PER_REQUEST:
            if given:
                raise ConfigurationError(
                    f"{', '.join(given)} with billing_mode=PAY_PER_REQUEST: capacities belong to "
                    "billing_mode=BillingMode.PROVISIONED; leave them out or change the mode"
                )
            return
        for name, value in given.items():
            _check_integer(name, value, 1, _MAX_CAPACITY_UNITS)
        for kind in ("read", "write"):
            capacity = units[f"{kind}_capacity"]
            if capacity is None:
                raise ConfigurationError(
                    f"{kind}_capacity is missing: billing_mode=PROVISIONED needs read_capacity "
                    "and write_capacity"
                )
            low, high = units[f"min_{kind}_capacity"], units[f"max_{kind}_capacity"]
            _check_scaling(kind, capacity, low, high)


def _check_scaling(kind: str, capacity: int, low: int | None, high: int | None) -> None:
    if (low is None) != (high is None):
        raise ConfigurationError(
            f"min_{kind}_capacity={low!r}, max_{kind}_capacity={high!r}: autoscaling needs both"
        )
    if low is None or high is None:
        return
    if low > high:
        raise ConfigurationError(
            f"min_{kind}_capacity={low} is over max_{kind}_capacity={high}: swap them"
        )
    if not low <= capacity <= high:
        raise ConfigurationError(
            f"{kind}_capacity={capacity} is outside min_{kind}_capacity={low} and "
            f"max_{kind}_capacity={high}: autoscaling would change it at once"
        )


def _check_integer(name: str, value: object, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigurationError(f"{name}={value!r}: use a whole number from {low} up")
    if high is not None and value > high:
        raise ConfigurationError(f"{name}={value!r}: use at most {high}")


@dataclass(frozen=True, kw_only=True)
class DynamoDBConfig:
    """How to reach the table, and how hard to try.

    Args:
        table_config: The table.
        region_name: AWS region; `None` leaves it to the session or environment.
        endpoint_url: Another endpoint than AWS's own, such as DynamoDB Local's.
        max_retries: How often a call is tried again after a throttle, timeout,
            dropped connection or 5xx answer. One layer retries: botocore's own
            retries are switched off.
        initial_retry_delay: Upper bound of the first delay, in seconds. Delays
            double from try to try and are drawn at random below their bound.
        max_retry_delay: Upper bound of every delay, in seconds.
        aws_access_key_id: With `aws_secret_access_key`, credentials to use
            instead of the default chain. Never shown in `repr`, logs or errors.
        aws_secret_access_key: See `aws_access_key_id`.
        aws_session_token: For temporary credentials.
        session: A `boto3.Session` to make the client from. Without
            `async_session` the async methods use it too, in worker threads.
        async_session: An `aiobotocore.session.AioSession` or an
            `aioboto3.Session` to make async clients from.
        botocore_config: Merged over the saver's own `botocore.config.Config`;
            must not set `retries`.
        cache_bytes: Bound of the memory that immutable chunks and the last
            checkpoints may take, in bytes; 0 switches the cache off.

    Raises:
        ConfigurationError: A value that cannot work.
    """

    table_config: DynamoDBTableConfig = field(default_factory=DynamoDBTableConfig)
    region_name: str | None = None
    endpoint_url: str | None = None
    max_retries: int = 3
    initial_retry_delay: float = 0.1
    max_retry_delay: float = 1.0
    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    session: boto3.Session | None = field(default=None, repr=False)
    async_session: Any = field(default=None, repr=False)
    botocore_config: Config | None = field(default=None, repr=False)
    cache_bytes: int = _DEFAULT_CACHE_BYTES

    def __post_init__(self) -> None:
        if not isinstance(self.table_config, DynamoDBTableConfig):
            raise ConfigurationError(
                f"table_config={self.table_config!r}: pass a DynamoDBTableConfig"
            )
        _check_integer("max_retries", self.max_retries, 0, None)
        _check_integer("cache_bytes", self.cache_bytes, 0, None)
        for name in ("initial_retry_delay", "max_retry_delay"):
            delay = getattr(self, name)
            if isinstance(delay, bool) or not isinstance(delay, int | float) or not delay >= 0:
                raise ConfigurationError(f"{name}={delay!r}: use seconds, 0 or more")
        if self.initial_retry_delay > self.max_retry_delay:
            raise ConfigurationError(
                f"initial_retry_delay={self.initial_retry_delay} is over "
                f"max_retry_delay={self.max_retry_delay}: swap them"
            )
        self._check_credentials()
        self._check_clients()
        for name in ("region_name", "endpoint_url"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise ConfigurationError(f"{name}={value!r}: use a string, or None for the default")

    def _check_clients(self) -> None:
        for name, wrong_makers in (
            ("session", ("botocore", "aiobotocore", "aioboto3")),
            ("async_session", ("botocore", "boto3")),
        ):
            # aioboto3's session derives from boto3's, so only its module tells them apart.
            made_by = type(getattr(self, name)).__module__.split(".")[0]
            if made_by in wrong_makers:
                raise ConfigurationError(
                    f"{name} is a session of {made_by}: session takes one of boto3, async_session "
                    "one of aiobotocore or aioboto3"
                )
        if self.botocore_config is not None and getattr(self.botocore_config, "retries", None):
            raise ConfigurationError(
                "botocore_config sets retries: one layer retries here; use max_retries, "
                "initial_retry_delay and max_retry_delay"
            )

    def _check_credentials(self) -> None:
        given = [
            name
            for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            if getattr(self, name) is not None
        ]
        if not given:
            return
        if self.aws_access_key_id is None or self.aws_secret_access_key is None:
            raise ConfigurationError(
                f"{', '.join(given)} alone: aws_access_key_id and aws_secret_access_key go together"
            )
        if self.session is not None or self.async_session is not None:
            raise ConfigurationError(
                f"{', '.join(given)} with a session: a session brings its own credentials; "
                "leave one of the two out"
            )
