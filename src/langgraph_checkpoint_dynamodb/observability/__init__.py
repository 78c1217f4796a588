"""What operators see: the event of each operation.

The rule: nothing of a thread's content and no thread id is in an event.
"""

from .events import Observer, OperationEvent

__all__ = ["Observer", "OperationEvent"]
