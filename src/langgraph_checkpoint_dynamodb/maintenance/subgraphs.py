"""Which subgraph namespaces of a thread its kept checkpoints still use.

LangGraph names a namespace after the nodes that lead to it. Each call of a subgraph has a
namespace of its own, which ends with the id of its task (`node:task`). That id is a hash of the
enclosing graph's checkpoint in which the task runs, so only that checkpoint uses the namespace:
both are deleted together. The metadata's `parents` names that checkpoint.

A subgraph compiled with `checkpointer=True` has one namespace for all its calls (`node`). Each call
starts from its newest checkpoint. A replay of an earlier checkpoint of the root graph starts from
the newest one before that checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..format import keys
from ..runtime.context import Context
from .retention import RetentionPolicy, SurveyedNamespace, may_be_under_way

_SEPARATOR = "|"  # LangGraph's `NS_SEP`
_TASK = ":"  # LangGraph's `NS_END`: what follows, up to the separator, is a task's id

ROOT = ""


def policies(part: str, keep: RetentionPolicy) -> list[RetentionPolicy]:
    """What to keep of the namespace with this key part.

    For what may be a call of a subgraph, the second policy applies if the checkpoint that it
    belongs to is not kept.
    """
    may_be_call = _TASK in part or keys.decode(part) is None
    return [keep, RetentionPolicy(since=keep.since)] if may_be_call else [keep]


class Subgraphs:
    """The namespaces of a thread by their key parts, after all of them have been read."""

    def __init__(self, context: Context, namespaces: Mapping[str, SurveyedNamespace]) -> None:
        self._context = context
        self._namespaces = namespaces
        self._in_use: dict[str, bool] = {}
        self._ids: dict[str, set[str]] = {}

    def resolve(self) -> None:
        """Choose the selector of each namespace."""
        unused = [one for one in self._namespaces.values() if not self._is_in_use(one)]
        for namespace in unused:
            namespace.selectors = namespace.selectors[-1:]
        root = self._namespaces.get(ROOT)
        for namespace in self._namespaces.values():
            if root is not None and namespace is not root and not _is_call(namespace):
                _keep_replayed(namespace, root)

    def _is_in_use(self, namespace: SurveyedNamespace) -> bool:
        """Whether a namespace is not of a call, or of a call whose checkpoint is kept."""
        part = namespace.part
        if part not in self._in_use:
            self._in_use[part] = not _is_call(namespace) or self._is_caller_kept(namespace)
        return self._in_use[part]

    def _is_caller_kept(self, namespace: SurveyedNamespace) -> bool:
        """Whether the checkpoint that a call belongs to is kept, or may still be put.

        Also true if the metadata names no such checkpoint, or the enclosing graph has none.
        """
        for name in _enclosing(namespace):
            outer = self._namespaces.get(keys.namespace(name))
            if outer is not None and outer.ids:
                return self._is_kept(outer, namespace.parents[name])
        return True

    def _is_kept(self, outer: SurveyedNamespace, checkpoint_id: str) -> bool:
        in_use = self._is_in_use(outer)
        selector = outer.selectors[0 if in_use else -1]
        if checkpoint_id in self._stored(outer):
            return checkpoint_id in selector.selected
        if not in_use:
            return False
        # Not stored. A subgraph's checkpoints may be put before the one that its call belongs to.
        return checkpoint_id > outer.newest or may_be_under_way(self._context, checkpoint_id)

    def _stored(self, namespace: SurveyedNamespace) -> set[str]:
        if namespace.part not in self._ids:
            self._ids[namespace.part] = set(namespace.ids)
        return self._ids[namespace.part]


def _is_call(namespace: SurveyedNamespace) -> bool:
    return _TASK in (namespace.name or "")


def _enclosing(namespace: SurveyedNamespace) -> Iterator[str]:
    """The namespaces of the enclosing graphs, the innermost first."""
    name = namespace.name or ""
    for outer in sorted(namespace.parents, key=len, reverse=True):
        if outer == ROOT or name.startswith(f"{outer}{_SEPARATOR}"):
            yield outer


def _keep_replayed(namespace: SurveyedNamespace, root: SurveyedNamespace) -> None:
    """Keep the checkpoints of a `checkpointer=True` subgraph that replays of the root start from.

    LangGraph's `ReplayState` finds them with `list(before=…)`.
    """
    selector = namespace.selector
    for checkpoint_id in namespace.before(root.bounds):
        if keys.checkpoint(namespace.part, checkpoint_id) not in selector.kept:
            selector.needed.setdefault(checkpoint_id, frozenset())
