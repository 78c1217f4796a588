"""A chat model that follows a script: the same in any process, and with no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class ScriptedModel(BaseChatModel):
    """Calls one tool after another, each when the one before has answered, and then replies.

    A conversation may go on: the script begins again after each message of the user.
    """

    calls: list[tuple[str, dict[str, Any]]]
    reply: str = "done"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> ScriptedModel:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        asked = max(n for n, message in enumerate(messages) if message.type == "human")
        answered = sum(isinstance(message, ToolMessage) for message in messages[asked:])
        return ChatResult(generations=[ChatGeneration(message=self._message(answered, asked))])

    def _message(self, answered: int, asked: int) -> AIMessage:
        if answered >= len(self.calls):
            return AIMessage(self.reply)
        name, arguments = self.calls[answered]
        call = {"name": name, "args": arguments, "id": f"call-{asked}-{answered}"}
        return AIMessage("", tool_calls=[call])
