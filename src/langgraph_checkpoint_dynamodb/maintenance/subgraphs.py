"""Which subgraph namespaces of a thread are still of use to the graph that encloses them.

LangGraph names a namespace after the nodes that lead to it. A call of a subgraph has a namespace
of its own, which ends with its task's id (`node:task`). That id is a hash of the checkpoint of
the enclosing graph in which the task runs, so no other checkpoint ever comes back to it: a call
goes together with that checkpoint, which the metadata's `parents` names. A subgraph compiled
with `checkpointer=True` has one namespace for all of its calls (`node`), and every later call
begins with its newest checkpoint. A replay of an earlier checkpoint of the root graph begins with
the newest one that is older than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..format import keys
from ..runtime.context import Context
from .retention import Namespace, RetentionPolicy, may_be_under_way

_SEPARATOR = "|"  # LangGraph's `NS_SEP`
_TASK = ":"  # LangGraph's `NS_END`: what follows, up to the separator, is a task's id

ROOT = ""


def keeps(part: str, keep: RetentionPolicy) -> list[RetentionPolicy]:
    """What to keep of the namespace of a key part, and of one that has been left behind."""
    may_be_call = _TASK in part or keys.decode(part) is None
    return [keep, RetentionPolicy(since=keep.since)] if may_be_call else [keep]


class Subgraphs:
    """The namespaces of a thread, by their key parts, once all of them have been read."""

    def __init__(self, context: Context, namespaces: Mapping[str, Namespace]) -> None:
        self._context = context
        self._namespaces = namespaces
        self._living: dict[str, bool] = {}
        self._ids: dict[str, set[str]] = {}

    def settle(self) -> None:
        """Decide what is kept of each namespace."""
        left_behind = [one for one in self._namespaces.values() if not self._lives(one)]
        for namespace in left_behind:
            namespace.choices = namespace.choices[-1:]
        root = self._namespaces.get(ROOT)
        for namespace in self._namespaces.values():
            if root is not None and namespace is not root and not _is_call(namespace):
                _keep_replayed(namespace, root)

    def _lives(self, namespace: Namespace) -> bool:
        """Whether a namespace is not of a call that the enclosing graph has left behind."""
        part = namespace.part
        if part not in self._living:
            self._living[part] = not _is_call(namespace) or self._is_called(namespace)
        return self._living[part]

    def _is_called(self, namespace: Namespace) -> bool:
        """Whether the checkpoint that a call belongs to stays, or may still be put.

        In doubt it does: if the metadata names none, or the enclosing graph has none at all.
        """
        for name in _enclosing(namespace):
            outer = self._namespaces.get(keys.namespace(name))
            if outer is not None and outer.ids:
                return self._stays(outer, namespace.parents[name])
        return True

    def _stays(self, outer: Namespace, checkpoint_id: str) -> bool:
        lives = self._lives(outer)
        choice = outer.choices[0 if lives else -1]
        if checkpoint_id in self._stored(outer):
            return checkpoint_id in choice.spared
        if not lives:
            return False
        # Not there: a subgraph may be stored before the checkpoint that it runs in.
        return checkpoint_id > outer.newest or may_be_under_way(self._context, checkpoint_id)

    def _stored(self, namespace: Namespace) -> set[str]:
        if namespace.part not in self._ids:
            self._ids[namespace.part] = set(namespace.ids)
        return self._ids[namespace.part]


def _is_call(namespace: Namespace) -> bool:
    return _TASK in (namespace.name or "")


def _enclosing(namespace: Namespace) -> Iterator[str]:
    """The namespaces of the graphs that enclose one, the innermost first."""
    name = namespace.name or ""
    for outer in sorted(namespace.parents, key=len, reverse=True):
        if outer == ROOT or name.startswith(f"{outer}{_SEPARATOR}"):
            yield outer


def _keep_replayed(namespace: Namespace, root: Namespace) -> None:
    """Keep what replays of the root graph's checkpoints begin a `checkpointer=True` subgraph with.

    LangGraph's `ReplayState` looks for it with `list(before=…)`.
    """
    choice = namespace.choice
    for checkpoint_id in namespace.before(root.bounds):
        if keys.checkpoint(namespace.part, checkpoint_id) not in choice.kept:
            choice.needed.setdefault(checkpoint_id, frozenset())
