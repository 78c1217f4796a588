"""The configuration of a table: the parameters of `template.yaml`, in Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ..errors import ConfigurationError
from .known_arguments import known_arguments

RESERVED_ATTRIBUTES = frozenset({"PK", "SK", "A", "B", "C", "M", "N", "O", "R", "T"})
"""The attributes of the saver's items; see `format/items.py`."""

TABLE_NAME = "[a-zA-Z0-9_.-]{3,255}"
"""The form of a table's name, as a regular expression."""

_TABLE = re.compile(
    rf"(arn:aws[a-z-]*:dynamodb:(?P<region>[a-z0-9-]+):[0-9]{{12}}:table/)?{TABLE_NAME}"
)

_TAG_VALUE = re.compile(r"[a-zA-Z0-9 _.:/=+@-]{1,256}")
_KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+")
_MAX_KMS_KEY = 2048
_MAX_ATTRIBUTE_NAME_BYTES = 255
_MAX_TTL_SECONDS = 100 * 365 * 24 * 3600
_MAX_CAPACITY_UNITS = 10_000_000
_MAX_RECOVERY_DAYS = 35
_UTILIZATION = (20, 90)
_MAX_COOLDOWN = 3600
WARM_UNITS = {"warm_read_units": 12_000, "warm_write_units": 4_000}
"""The units a second that a new table on demand supports at once; they can only be raised.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
"""

Choice = TypeVar("Choice", bound=Enum)


class BillingMode(str, Enum):
    """How DynamoDB bills the table.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadWriteCapacityMode.html
    """

    PAY_PER_REQUEST = "PAY_PER_REQUEST"
    PROVISIONED = "PROVISIONED"


class TableClass(str, Enum):
    """Whether requests or storage are the cheaper part.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.TableClasses.html
    """

    STANDARD = "STANDARD"
    STANDARD_INFREQUENT_ACCESS = "STANDARD_INFREQUENT_ACCESS"


@known_arguments
@dataclass(frozen=True, kw_only=True)
class DynamoDBTableConfig:
    """The table's settings, which `template.yaml` has as parameters.

    Args:
        table_name: 3 to 255 characters of `a-z A-Z 0-9 _ . -`; for a table of another account, its
            ARN. Only methods on data take an ARN.
        billing_mode: `PROVISIONED` needs `read_capacity` and `write_capacity`.
        enable_encryption: Encrypt with a KMS key: `kms_key_arn`, or else the AWS
            managed key. If off, DynamoDB encrypts with the AWS owned key (it always
            encrypts at rest).
        enable_point_in_time_recovery: Continuous backups.
        enable_ttl: Let DynamoDB delete expired items.
        ttl_attribute: The attribute that holds an item's expiry, in epoch seconds.
        ttl_seconds: How long a checkpoint is returned, in seconds; needs `enable_ttl`.
            With `None`, the saver gives new items no expiry, also if `enable_ttl` is on.
        read_capacity: Read capacity units a second, `PROVISIONED` only.
        write_capacity: Write capacity units a second, `PROVISIONED` only.
        index_read_capacity: Read capacity units a second of each index, `PROVISIONED` only. With
            read autoscaling, its lower bound for an index; the upper bound is
            `max_read_capacity`. Writes of an index have the capacity of the table's writes.
        min_read_capacity: Lower bound of read autoscaling, `PROVISIONED` only.
        max_read_capacity: Upper bound of read autoscaling.
        min_write_capacity: Lower bound of write autoscaling.
        max_write_capacity: Upper bound of write autoscaling.
        target_utilization: The utilization that autoscaling aims for: consumed capacity in
            percent of the provisioned capacity, 20 to 90.
        scale_in_cooldown: Seconds that autoscaling waits after it lowered a capacity, before it
            lowers it again, 0 to 3600.
        scale_out_cooldown: The same after it raised a capacity.
        max_read_request_units: Upper bound of read request units a second,
            `PAY_PER_REQUEST` only.
        max_write_request_units: Upper bound of write request units a second,
            `PAY_PER_REQUEST` only.
        warm_read_units: Read units a second that the table supports at once, `PAY_PER_REQUEST`
            only. A new table has the default, 12,000. AWS bills more once, and it cannot be
            lowered.
        warm_write_units: Write units a second that the table and each index support at once, as
            `warm_read_units`; a new table has 4,000.
        point_in_time_recovery_days: How many days back the table can be restored, 1 to 35.
        kms_key_arn: ARN of a customer managed KMS key. Not of an alias: DynamoDB reports the key
            only, so that a changed alias would not be noticed.
        enable_deletion_protection: Make DynamoDB refuse to delete the table.
        table_class: `STANDARD`, or `STANDARD_INFREQUENT_ACCESS` for cheaper storage and
            more expensive requests.
        enable_run_index: Add a sparse index by run id. `delete_for_runs` then queries it
            instead of scanning the table; each checkpoint costs one more write unit.
        enable_thread_index: Add a sparse index of threads by owner and last activity, for
            `list_threads`. A thread costs about three more write units for each hour in which it
            is active. With `False`, puts do not list their threads. On a table without the index
            they do, for the time when it is added.
        environment: Value of the table's tag `Environment`.

    Raises:
        ConfigurationError: AWS would refuse a value, a value contradicts another, or there is no
            argument of that name.
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
    index_read_capacity: int = 1
    min_read_capacity: int | None = None
    max_read_capacity: int | None = None
    min_write_capacity: int | None = None
    max_write_capacity: int | None = None
    target_utilization: int = 70
    scale_in_cooldown: int = 0
    scale_out_cooldown: int = 0
    max_read_request_units: int | None = None
    max_write_request_units: int | None = None
    warm_read_units: int = WARM_UNITS["warm_read_units"]
    warm_write_units: int = WARM_UNITS["warm_write_units"]
    point_in_time_recovery_days: int = _MAX_RECOVERY_DAYS
    kms_key_arn: str | None = None
    enable_deletion_protection: bool = False
    table_class: TableClass = TableClass.STANDARD
    enable_run_index: bool = False
    enable_thread_index: bool = True
    environment: str | None = None

    def __post_init__(self) -> None:
        self._check_names()
        for name, kind in (("billing_mode", BillingMode), ("table_class", TableClass)):
            object.__setattr__(self, name, _member(name, getattr(self, name), kind))
        self._check_switches()
        self._check_ttl()
        self._check_key()
        check_integer(
            "point_in_time_recovery_days", self.point_in_time_recovery_days, 1, _MAX_RECOVERY_DAYS
        )
        check_integer("target_utilization", self.target_utilization, *_UTILIZATION)
        for name in ("scale_in_cooldown", "scale_out_cooldown"):
            check_integer(name, getattr(self, name), 0, _MAX_COOLDOWN)
        check_integer("index_read_capacity", self.index_read_capacity, 1, _MAX_CAPACITY_UNITS)
        self._check_capacities()

    def _check_names(self) -> None:
        check_table_name(self.table_name)
        value = self.environment
        if value is not None and not (isinstance(value, str) and _TAG_VALUE.fullmatch(value)):
            raise ConfigurationError(
                f"environment={value!r}: use 1 to 256 characters of a-z, A-Z, 0-9, "
                "spaces and _ . : / = + @ -, or leave it out for no tag"
            )

    def _check_switches(self) -> None:
        for name in (
            "enable_encryption",
            "enable_point_in_time_recovery",
            "enable_ttl",
            "enable_deletion_protection",
            "enable_run_index",
            "enable_thread_index",
        ):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name}={value!r}: use True or False")

    def _check_ttl(self) -> None:
        name = self.ttl_attribute
        if not isinstance(name, str) or not 0 < _bytes_of(name) <= _MAX_ATTRIBUTE_NAME_BYTES:
            raise ConfigurationError(
                f"ttl_attribute={name!r}: use an attribute name of 1 to 255 bytes in UTF-8"
            )
        if name in RESERVED_ATTRIBUTES:
            raise ConfigurationError(
                f"ttl_attribute={name!r}: the saver uses this attribute for its own data; choose "
                f"a name other than {', '.join(sorted(RESERVED_ATTRIBUTES))}"
            )
        if self.ttl_seconds is None:
            return
        if not self.enable_ttl:
            raise ConfigurationError(
                f"ttl_seconds={self.ttl_seconds!r} without enable_ttl: DynamoDB would never delete "
                "the expired items; set enable_ttl=True or leave ttl_seconds out"
            )
        check_integer("ttl_seconds", self.ttl_seconds, 1, _MAX_TTL_SECONDS)

    def _check_key(self) -> None:
        arn = self.kms_key_arn
        if arn is None:
            return
        if not isinstance(arn, str) or len(arn) > _MAX_KMS_KEY or not _KMS_KEY.fullmatch(arn):
            raise ConfigurationError(
                f"kms_key_arn={arn!r}: use the ARN of a KMS key, not of an alias, such as "
                "arn:aws:kms:eu-central-1:111122223333:key/…"
            )
        if not self.enable_encryption:
            raise ConfigurationError(
                f"kms_key_arn={arn!r} with enable_encryption=False: the key would not be used; "
                "leave one of the two out"
            )

    def _check_capacities(self) -> None:
        bounds = ("min_read_capacity", "max_read_capacity", "min_write_capacity")
        provisioned = ("read_capacity", "write_capacity", *bounds, "max_write_capacity")
        on_demand = ("max_read_request_units", "max_write_request_units")
        for name, low in WARM_UNITS.items():
            check_integer(name, getattr(self, name), low, _MAX_CAPACITY_UNITS)
        if self.billing_mode is BillingMode.PAY_PER_REQUEST:
            self._check_absent(provisioned, BillingMode.PROVISIONED)
            self._check_units(on_demand)
            return
        self._check_absent((*on_demand, *WARM_UNITS), BillingMode.PAY_PER_REQUEST)
        self._check_units(provisioned)
        for kind in ("read", "write"):
            capacity = getattr(self, f"{kind}_capacity")
            if capacity is None:
                raise ConfigurationError(
                    f"{kind}_capacity is missing: billing_mode=PROVISIONED needs read_capacity "
                    "and write_capacity"
                )
            low, high = getattr(self, f"min_{kind}_capacity"), getattr(self, f"max_{kind}_capacity")
            _check_scaling(kind, capacity, low, high)
        high = self.max_read_capacity
        if high is not None and self.index_read_capacity > high:
            raise ConfigurationError(
                f"index_read_capacity={self.index_read_capacity} is over max_read_capacity={high}, "
                "the upper bound of autoscaling for an index too: lower one or raise the other"
            )

    def _check_absent(self, names: tuple[str, ...], mode: BillingMode) -> None:
        given = [name for name in names if getattr(self, name) not in (None, WARM_UNITS.get(name))]
        if given:
            raise ConfigurationError(
                f"{', '.join(given)} with billing_mode={self.billing_mode.value}: only for "
                f"billing_mode=BillingMode.{mode.value}; leave it out or change the mode"
            )

    def _check_units(self, names: tuple[str, ...]) -> None:
        for name in names:
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, _MAX_CAPACITY_UNITS)


def check_table_name(name: object) -> None:
    """Check that a value is the name or ARN of a table.

    Raises:
        ConfigurationError: It is neither.
    """
    if not isinstance(name, str) or not _TABLE.fullmatch(name):
        raise ConfigurationError(
            f"table_name={name!r}: use a table's name (3 to 255 characters of a-z, A-Z, 0-9, "
            "'_', '.' and '-') or its ARN"
        )


def region_of_arn(table_name: str) -> str | None:
    """The region of a table's ARN; `None` for a name."""
    found = _TABLE.fullmatch(table_name)
    return found["region"] if found else None


def _bytes_of(name: str) -> int:
    """The length in UTF-8; 0 if there is none, for a lone surrogate."""
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        return 0


def _member(name: str, value: object, kind: type[Choice]) -> Choice:
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(str(member.value) for member in kind)
        raise ConfigurationError(f"{name}={value!r}: use one of {allowed}") from None


def _check_scaling(kind: str, capacity: int, low: int | None, high: int | None) -> None:
    if (low is None) != (high is None):
        raise ConfigurationError(
            f"min_{kind}_capacity={low!r}, max_{kind}_capacity={high!r}: autoscaling needs both; "
            "give both or neither"
        )
    if low is None or high is None:
        return
    if low > high:
        raise ConfigurationError(
            f"min_{kind}_capacity={low} is over max_{kind}_capacity={high}: swap them"
        )
    if not low <= capacity <= high:
        raise ConfigurationError(
            f"{kind}_capacity={capacity} is not between min_{kind}_capacity={low} and "
            f"max_{kind}_capacity={high}: autoscaling would change it at once; choose one between"
        )


def check_integer(name: str, value: object, low: int, high: int | None) -> None:
    """Check that a setting is a whole number within bounds (both inclusive; `None`: no bound).

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigurationError(f"{name}={value!r}: use a whole number of {low} or more")
    if high is not None and value > high:
        raise ConfigurationError(f"{name}={value!r}: use at most {high}")
