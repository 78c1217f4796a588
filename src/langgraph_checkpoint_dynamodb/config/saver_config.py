"""The configuration of a saver: its table and how to reach it.

Configurations are frozen and validated when they are created. A mistake therefore raises on
the line that makes it, and not at the first request of a running graph.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..runtime.context import DEFAULT_MAX_BYTES, ThreadOwner
from .endpoints import check_endpoint
from .known_arguments import known_arguments
from .table_config import DynamoDBTableConfig, check_integer, region_of_arn

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

    from ..observability.events import Observer


_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_CREDENTIAL = re.compile("[!-~]+")
"""Printable ASCII without spaces: what a header can hold, and all that AWS issues."""
_REGION = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
"""What botocore accepts (`botocore.utils.validate_region_name`)."""
_OF_CLIENTS = {
    "session": (["client"], "a boto3.Session"),
    "async_session": (["client", "create_client"], "a session of aiobotocore or aioboto3"),
    "botocore_config": (["merge"], "a botocore.config.Config"),
}
"""Methods of which each of these settings has one, and its class, which is not imported here."""
_MAX_DELAY = 24 * 60 * 60
_DEFAULT_CACHE_BYTES = 64 * 1024 * 1024


@known_arguments
@dataclass(frozen=True, kw_only=True)
class DynamoDBConfig:
    """How to reach the table, and how often to retry.

    Args:
        table_config: The table.
        region_name: AWS region; `None` uses the region of the table's ARN, if `table_name` is one,
            else that of the session or environment.
        endpoint_url: An endpoint to use instead of AWS's, such as DynamoDB Local's. Calls to
            the other services that `deploy=True` needs go there too, unless it is a host of
            AWS, such as a VPC endpoint. It has no user name and password.
        max_retries: How often a call is retried after a throttle, a timeout, a dropped
            connection or a 5xx response. Only the saver retries: botocore's own retries are
            switched off.
        initial_retry_delay: Upper bound of the first delay, in seconds. The bound doubles
            with each retry, and the delay is drawn at random below it.
        max_retry_delay: Upper bound of every delay, in seconds.
        aws_access_key_id: With `aws_secret_access_key`, credentials to use
            instead of the default chain. Never shown in `repr`, logs or errors.
        aws_secret_access_key: See `aws_access_key_id`.
        aws_session_token: For temporary credentials.
        session: A `boto3.Session` to create the client from. Without `async_session`, the
            async methods use it too, in worker threads.
        async_session: An `aiobotocore.session.AioSession` or an
            `aioboto3.Session` to create async clients from.
        botocore_config: Merged over the saver's own `botocore.config.Config`, which waits
            5 seconds for a connection and 20 for a response (`connect_timeout`,
            `read_timeout`). It must not set `retries`.
        max_checkpoint_bytes: Upper bound of the serialized values of a checkpoint, or of one
            task's writes, in bytes. A read applies it to a checkpoint together with its
            pending writes, so that a few crafted items cannot fill the reader's memory.
        allow_plaintext: Whether a saver whose serializer encrypts also reads unencrypted
            values. Set it only while a table migrates to encryption.
        fence: Refuse a checkpoint whose parent is no longer the newest of its namespace,
            instead of creating a silent fork. Deliberate forks are still accepted. All
            writers of a table should use the same setting. It costs one write unit and one
            request for each checkpoint.
        thread_owner: Who a thread belongs to, for `list_threads`: the name of a key of
            `configurable` or of the config's metadata, such as `"user_id"`; or a function that
            takes a copy of the checkpoint's metadata, which contains both, and returns the owner
            or `None`. An owner is a string, a UUID or an int; LangGraph stores no UUIDs in the
            metadata, so `index_threads` finds only strings and ints. A thread keeps its first
            owner.
        share_puts: Send small puts of different threads in one request when they happen at
            the same moment, for processes that serve many threads at once. It needs
            `dynamodb:PartiQLInsert`; without that permission, the saver logs a warning and
            sends each put separately. It stores the same items either way:
            https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
        cache_bytes: Upper bound of the memory for immutable chunks and recent
            checkpoints, in bytes; 0 switches the cache off.

        observer: Called with an `OperationEvent` when an operation of the saver has ended: how long
            it took, its requests, units and retries. It is a plain function, called on the
            operation's thread or event loop, and must not block. An exception of it is logged
            once and not raised.

    Raises:
        ConfigurationError: A value is invalid or contradicts another, or there is no argument of
            that name.
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
    max_checkpoint_bytes: int = DEFAULT_MAX_BYTES
    allow_plaintext: bool = False
    fence: bool = False
    thread_owner: ThreadOwner = None
    share_puts: bool = False
    observer: Observer | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.table_config, DynamoDBTableConfig):
            raise ConfigurationError(
                f"table_config={self.table_config!r}: pass a DynamoDBTableConfig"
            )
        check_integer("max_retries", self.max_retries, 0, None)
        check_integer("cache_bytes", self.cache_bytes, 0, None)
        check_integer("max_checkpoint_bytes", self.max_checkpoint_bytes, 1, None)
        for name in ("allow_plaintext", "fence", "share_puts"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"{name}={getattr(self, name)!r}: use True or False")
        for name in ("initial_retry_delay", "max_retry_delay"):
            delay = getattr(self, name)
            is_number = isinstance(delay, int | float) and not isinstance(delay, bool)
            if not is_number or not 0 <= delay <= _MAX_DELAY:
                raise ConfigurationError(f"{name}={delay!r}: use seconds from 0 to {_MAX_DELAY}")
        if self.initial_retry_delay > self.max_retry_delay:
            raise ConfigurationError(
                f"initial_retry_delay={self.initial_retry_delay} is over "
                f"max_retry_delay={self.max_retry_delay}: swap them"
            )
        self._check_credentials()
        self._check_clients()
        self._check_observer()
        self._check_owner()
        region = self.region_name
        if region is not None and not (isinstance(region, str) and _REGION.fullmatch(region)):
            raise ConfigurationError(
                f"region_name={region!r}: use a region's name, such as 'eu-central-1', or None for "
                "AWS's default"
            )
        self._check_arn()
        check_endpoint("endpoint_url", self.endpoint_url)

    def _check_arn(self) -> None:
        """What a table of another account does not allow, and the region of its ARN.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-iam-actions.html
        """
        arn = self.table_config.table_name
        region = region_of_arn(arn)
        if region is None:
            return
        if self.share_puts:
            raise ConfigurationError(
                f"share_puts=True with table_name={arn!r}: DynamoDB takes no PartiQL for a table "
                "of another account; leave share_puts out"
            )
        if self.region_name not in (None, region):
            raise ConfigurationError(
                f"region_name={self.region_name!r} with table_name={arn!r}: the table is in "
                f"{region}; leave region_name out"
            )
        object.__setattr__(self, "region_name", region)

    @property
    def may_find_other_credentials(self) -> bool:
        """Whether a new session could find other credentials than the last one."""
        given = (self.aws_access_key_id, self.session, self.async_session)
        return all(one is None for one in given)

    def _check_owner(self) -> None:
        owner = self.thread_owner
        if owner is not None and not callable(owner) and not (isinstance(owner, str) and owner):
            raise ConfigurationError(
                f"thread_owner={owner!r}: use the name of a key of configurable or of the "
                "metadata, a function of the metadata, or None"
            )
        if callable(owner) and _is_coroutine_function(owner):
            raise ConfigurationError(
                "thread_owner is a coroutine function, which nothing would await: use a plain one"
            )

    def _check_observer(self) -> None:
        observer = self.observer
        if observer is None:
            return
        if not callable(observer):
            raise ConfigurationError(
                f"observer is a {type(observer).__name__}: use a callable that takes an "
                "OperationEvent, or None"
            )
        if _is_coroutine_function(observer):
            raise ConfigurationError(
                "observer is a coroutine function, which nothing would await: use a plain function"
            )

    def _check_clients(self) -> None:
        for name, wrong_makers in (
            ("session", ("botocore", "aiobotocore", "aioboto3")),
            ("async_session", ("botocore", "boto3")),
        ):
            # aioboto3's session is a subclass of boto3's, so `isinstance` cannot tell which it is.
            made_by = type(getattr(self, name)).__module__.split(".")[0]
            if made_by in wrong_makers:
                raise ConfigurationError(
                    f"{name} is a session of {made_by}: pass session a boto3 session, and "
                    "async_session one of aiobotocore or aioboto3"
                )
        for name, (methods, kind) in _OF_CLIENTS.items():
            value = getattr(self, name)
            if inspect.isclass(value) or inspect.ismodule(value):
                raise ConfigurationError(
                    f"{name} is the class or module {value.__name__!r}: "
                    f"pass {kind}, or None for the default"
                )
            if value is not None and not any(hasattr(value, method) for method in methods):
                raise ConfigurationError(
                    f"{name} is a {type(value).__name__}: pass {kind}, or None for the default"
                )
        if self.botocore_config is not None and getattr(self.botocore_config, "retries", None):
            raise ConfigurationError(
                "botocore_config sets retries: only the saver retries; remove retries and use "
                "max_retries, initial_retry_delay and max_retry_delay"
            )
        for name in ("connect_timeout", "read_timeout"):
            value = getattr(self.botocore_config, name, None)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and value > 0):
                raise ConfigurationError(
                    f"botocore_config has {name}={value!r}: use seconds, more than 0"
                )

    def _check_credentials(self) -> None:
        given = [name for name in _CREDENTIALS if getattr(self, name) is not None]
        if not given:
            return
        for name in given:
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigurationError(f"{name} is a {type(value).__name__}: pass a string")
            if not _CREDENTIAL.fullmatch(value):
                raise ConfigurationError(
                    f"{name} (not shown) is empty or contains a space, a line end or another "
                    "character that no credential has: pass it without, such as by strip()"
                )
        if self.aws_access_key_id is None or self.aws_secret_access_key is None:
            raise ConfigurationError(
                f"{', '.join(given)} alone: pass both aws_access_key_id and aws_secret_access_key"
            )
        if self.session is not None or self.async_session is not None:
            raise ConfigurationError(
                f"{', '.join(given)} with a session: a session has its own credentials; "
                "leave one of the two out"
            )


def _is_coroutine_function(given: Any) -> bool:
    called = given if inspect.isroutine(given) else type(given).__call__
    return inspect.iscoroutinefunction(called)
