"""Arguments of the saver's methods, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..checkpoints.listing import Listing, Query
from ..config.saver_config import DynamoDBConfig
from ..config.table_config import DynamoDBTableConfig
from ..errors import CallerError, ConfigurationError, InvalidInputError
from ..format.keys import MAX_THREAD_ID_BYTES
from ..maintenance.retention import RetentionPolicy
from ..runtime.context import ThreadNamespace

T = TypeVar("T")

PruneStrategy: TypeAlias = Literal["keep_latest", "delete", "delete_all"]
"""What `prune` leaves of a thread."""

_STRATEGIES: dict[str, bool] = {"keep_latest": True, "delete": False, "delete_all": False}
"""Strategies of `prune`, and whether each keeps anything. `delete_all` is LangGraph Server's."""

_SHOWN = 100  # characters of a value in a message

_STACK_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,127}")
_STACK_ARN = re.compile(r"arn:[a-z-]+:cloudformation:([a-z0-9-]+):\d+:stack/[a-zA-Z][^:]*")


def saver_config(config: DynamoDBConfig | None) -> DynamoDBConfig:
    """The configuration; the default one for `None`."""
    if config is None:
        return DynamoDBConfig()
    if not isinstance(config, DynamoDBConfig):
        raise ConfigurationError(
            f"config is a {type(config).__name__}: pass a DynamoDBConfig "
            "(a DynamoDBTableConfig is its table_config)"
        )
    return config


def serializer(serde: Any) -> SerializerProtocol | None:
    """A serializer, with LangGraph's typed methods or its earlier ones."""
    if isinstance(serde, type):
        raise ConfigurationError(f"serde is the class {serde.__name__}: pass an instance of it")
    methods = [hasattr(serde, name) for name in ("dumps_typed", "loads_typed", "dumps", "loads")]
    if serde is not None and not (all(methods[:2]) or all(methods[2:])):
        raise ConfigurationError(
            f"serde is a {type(serde).__name__}: pass a serializer with dumps_typed and "
            "loads_typed, or None for LangGraph's own"
        )
    found: SerializerProtocol | None = serde
    return found


def switch(name: str, value: Any, kind: type[CallerError] = InvalidInputError) -> bool:
    """True or False; `"no"` would count as true."""
    if not isinstance(value, bool):
        raise kind(f"{name}={value!r}: use True or False")
    return value


def stack_config(
    stack_name: Any, config: DynamoDBConfig | None, ttl_seconds: int | None
) -> DynamoDBConfig:
    """The configuration to read a stack with. A stack's ARN sets the region."""
    name = text("stack_name", stack_name)
    arn = _STACK_ARN.fullmatch(name)
    if arn is None and not _STACK_NAME.fullmatch(name):
        raise InvalidInputError(
            f"stack_name={name!r}: use a stack's name (a letter, then letters, digits and '-', at "
            "most 128) or its ARN"
        )
    found = saver_config(config)
    if found.table_config != DynamoDBTableConfig():
        raise ConfigurationError(
            "config has a table_config, but the table is the stack's: leave it out, and pass "
            "ttl_seconds to from_stack"
        )
    if ttl_seconds is not None:
        DynamoDBTableConfig(enable_ttl=True, ttl_seconds=ttl_seconds)  # raises if invalid
    if arn is None:
        return found
    if found.region_name not in {None, arn[1]}:
        raise ConfigurationError(
            f"region_name={found.region_name!r}, but the stack's ARN {name!r} has the region "
            f"{arn[1]!r}: leave region_name out"
        )
    return replace(found, region_name=arn[1])


def text(name: str, value: Any) -> str:
    """A string that DynamoDB can store: valid Unicode."""
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}={value!r}: use a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"{name}={value!r} contains a lone surrogate: use valid Unicode"
        ) from None
    return value


def identifier(name: str, value: Any) -> str:
    """An id as a string, from a string, a UUID or an integer, as LangGraph's callers pass it."""
    if isinstance(value, int | UUID) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}={value!r}: use a string, a UUID or an int")
    return text(name, value)


def identifiers(
    name: str, values: Any, check: Callable[[str, Any], str] = identifier
) -> Sequence[str]:
    """Several ids, from any iterable, which is iterated once.

    A single string is an error, not a sequence of characters.
    """
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise InvalidInputError(f"{name}={values!r}: use a list or another iterable of ids")
    return [check(f"an entry of {name}", value) for value in values]


def thread_ids(name: str, values: Any) -> Sequence[str]:
    """Several thread ids, from any iterable."""
    return identifiers(name, values, lambda entry, value: thread_id(value, entry))


def thread_id(value: Any, name: str = "thread_id") -> str:
    """A partition key of 1 to 2,048 bytes; an integer or a UUID is converted to a string."""
    found = identifier(name, value)
    size = len(found.encode())
    if not 0 < size <= MAX_THREAD_ID_BYTES:
        shown = f"{found[:40]}…" if size else ""
        raise InvalidInputError(
            f"{name}={shown!r} has {size} bytes: a DynamoDB partition key has 1 to "
            f"{MAX_THREAD_ID_BYTES}; use another id, such as a UUID"
        )
    return found


def checkpoint_id(name: str, value: Any) -> str:
    """A checkpoint id: a nonempty string."""
    found = text(name, value)
    if not found:
        raise InvalidInputError(f"{name}='': use a checkpoint id of at least one character")
    return found


def address(config: RunnableConfig) -> tuple[ThreadNamespace, str | None]:
    """The thread, namespace and checkpoint that a config names."""
    configurable = _configurable(config)
    if configurable.get("thread_id") is None:
        raise InvalidInputError(
            "config['configurable']['thread_id'] is missing or None, and a checkpointer needs it: "
            "pass config={'configurable': {'thread_id': '…'}}"
        )
    place = ThreadNamespace(
        thread_id(configurable["thread_id"]),
        text("checkpoint_ns", configurable.get("checkpoint_ns") or ""),
    )
    found = configurable.get("checkpoint_id")
    return place, checkpoint_id("checkpoint_id", found) if found else None


def required_address(config: RunnableConfig) -> tuple[ThreadNamespace, str]:
    """Like `address`, for a config that must name a checkpoint."""
    place, found = address(config)
    if found is None:
        raise InvalidInputError(
            f"config['configurable']['checkpoint_id'] is missing for {place}, and pending writes "
            "belong to a checkpoint: pass the config that put returned"
        )
    return place, found


def _configurable(config: Any) -> Mapping[str, Any]:
    configurable = config.get("configurable") if isinstance(config, Mapping) else None
    if not isinstance(configurable, Mapping):
        raise InvalidInputError(
            f"config={config!r} has no 'configurable' mapping: pass "
            "config={'configurable': {'thread_id': '…'}}"
        )
    return configurable


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """A mapping, such as metadata."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{name}={value!r}: use a mapping, which may be empty")
    return value


def writes(values: Any) -> list[tuple[str, Any]]:
    """Pending writes: pairs of a channel's name and a value."""
    pairs = None if isinstance(values, str | bytes | Mapping) else _listed(values)
    if pairs is None or not all(
        isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], str)  # noqa: PLR2004
        for one in pairs
    ):
        raise InvalidInputError(
            f"writes={_short(values)}: use a sequence of (channel name, value) pairs"
        )
    return [(channel, value) for channel, value in pairs]


def _listed(values: Any) -> list[Any] | None:
    try:
        return list(values)
    except TypeError:
        return None


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def checkpoint(config: Any, value: Any, metadata: Any, new_versions: Any) -> None:
    """Check that a checkpoint has an id, values and versions, and that the rest are mappings."""
    mapping("config['metadata']", config.get("metadata") or {})
    mapping("metadata", metadata)
    mapping("new_versions", new_versions)
    for name in ("id", "channel_values", "channel_versions"):
        if not isinstance(value, Mapping) or name not in value:
            raise InvalidInputError(
                f"checkpoint has no {name!r}: pass a langgraph.checkpoint.base.Checkpoint"
            )
    checkpoint_id("checkpoint['id']", value["id"])
    for name in ("channel_values", "channel_versions"):
        mapping(f"checkpoint[{name!r}]", value[name])
    for channel in value["channel_values"]:
        text("checkpoint['channel_values']: channel", channel)


def run_id(metadata: Mapping[str, Any]) -> None:
    """Check the run's id in a checkpoint's metadata: an item has the digest of a string."""
    found = metadata.get("run_id")
    if isinstance(found, str):
        text("run_id", found)


def stored_config(config: RunnableConfig, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint after its put."""
    configurable = config["configurable"]
    return {
        "configurable": {
            "thread_id": configurable["thread_id"],
            "checkpoint_ns": configurable.get("checkpoint_ns") or "",
            "checkpoint_id": checkpoint_id,
        }
    }


def listing(
    config: RunnableConfig | None,
    filter: Mapping[str, Any] | None,  # noqa: A002 - LangGraph's name
    before: RunnableConfig | None,
    limit: int | None,
) -> Listing:
    """What a call of `list` returns, before anything is read."""
    thread = ns = found = before_id = None
    if config is not None:
        place, found = address(config)
        thread = place.thread_id
        ns = None if config["configurable"].get("checkpoint_ns") is None else place.checkpoint_ns
    if before is not None:
        before_id = _configurable(before).get("checkpoint_id")
        if not before_id:
            raise InvalidInputError(
                f"before={before!r} has no checkpoint_id: pass the config of a checkpoint"
            )
        checkpoint_id("before's checkpoint_id", before_id)
    if filter is not None and not isinstance(filter, Mapping):
        raise InvalidInputError(f"filter={filter!r}: use a mapping of metadata values")
    return Listing(Query(thread, ns, found, before_id, dict(filter or {})), maximum(limit))


def maximum(value: Any) -> int | None:
    """The maximum number of checkpoints to list; `None` for no maximum."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInputError(f"limit={value!r}: use a whole number from 0 up, or None")
    return value


def keep(strategy: Any, keep_last: Any, older_than: Any, now: float) -> RetentionPolicy | None:
    """What `prune` keeps of each namespace; `None` if the strategy keeps nothing."""
    chosen = choice("strategy", strategy, _STRATEGIES)
    if not chosen:
        for name, value in (("keep_last", keep_last), ("older_than", older_than)):
            if value is not None:
                raise InvalidInputError(
                    f"{name}={value!r} with strategy={strategy!r}, which keeps nothing: leave "
                    "one of the two out"
                )
        return None
    if keep_last is not None and (
        isinstance(keep_last, bool) or not isinstance(keep_last, int) or keep_last < 1
    ):
        raise InvalidInputError(
            f"keep_last={keep_last!r}: use a whole number from 1 up; to keep nothing, use "
            "strategy='delete'"
        )
    oldest = None if older_than is None else now - age("older_than", older_than)
    return RetentionPolicy(keep_last or 1, oldest)


def age(name: str, value: Any) -> float:
    """An age in seconds, from a `timedelta`: a bare number could be meant in days."""
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise InvalidInputError(
            f"{name}={value!r}: use a datetime.timedelta from 0 up, such as timedelta(days=30)"
        )
    return value.total_seconds()


def choice(name: str, value: Any, choices: Mapping[str, T]) -> T:
    """The value of one of several named choices."""
    try:
        return choices[value]
    except (KeyError, TypeError):
        allowed = ", ".join(map(repr, choices))
        raise InvalidInputError(f"{name}={value!r}: use one of {allowed}") from None
