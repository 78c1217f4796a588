"""The saver's methods on its connections: open them early, close them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..runtime.context import Context
from ..runtime.effects import Operation
from ..storage.connection import open_connection
from . import arguments
from .calls import SaverCalls

if TYPE_CHECKING:
    from .maintenance import Id

Saver = TypeVar("Saver", bound="ConnectionLifetime")


class ConnectionLifetime(SaverCalls):
    """The part of `DynamoDBSaver` that opens and closes."""

    def warm(self, thread_id: Id = "warm") -> None:
        """Make the client and open its connection now instead of in the first call.

        For the initialization of a function: the client takes more CPU time than a turn, and
        credentials and a TLS connection take requests of their own. Sends one query, which finds
        nothing and costs at most half a read unit.

        Args:
            thread_id: The thread of the query, which need not exist. A role that is limited to
                some threads needs one of them.

        Raises:
            InvalidInputError: `thread_id` is invalid.
            StorageError: The query failed: no connection, no table, or no permission. The saver
                can be used once the cause is removed.
        """
        self._call("warm", self._open_connection, thread_id)

    async def awarm(self, thread_id: Id = "warm") -> None:
        """Async `warm`: the async client of the running event loop.

        Another loop's client has a connection of its own; it is made in a few milliseconds, from
        what this one has read.
        """
        await self._acall("warm", self._open_connection, thread_id)

    def _open_connection(self, context: Context, thread_id: Id) -> Operation[None]:
        return open_connection(context.table, arguments.thread_id(thread_id))

    def close(self) -> None:
        """Close connections and threads; a later call opens them again."""
        self._async.close()
        self._sync.close()

    async def aclose(self) -> None:
        """Close the running event loop's async connections, and the sync ones."""
        await self._async.aclose()

    def __enter__(self: Saver) -> Saver:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self: Saver) -> Saver:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()
