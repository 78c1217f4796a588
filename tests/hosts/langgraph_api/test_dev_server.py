"""LangGraph Server with the checkpointer, over HTTP."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from agents import CHAT, REVIEW
from conftest import FILE, LangGraphDev
from langgraph.types import Command

from langgraph_checkpoint_dynamodb import DynamoDBSaver


def thread(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def said(*texts: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def new_thread(client: Any, graph: str, thread_id: str | None = None) -> str:
    return str(client.threads.create(graph_id=graph, thread_id=thread_id)["thread_id"])


def stored(saver: DynamoDBSaver, thread_id: str) -> list[Any]:
    return list(saver.list(thread(thread_id)))


def test_a_chat_of_300_messages(client: Any, saver: DynamoDBSaver) -> None:
    thread_id = new_thread(client, "chat")
    client.runs.wait(thread_id, "chat", input=said(*(f"message {n}" for n in range(297))))
    values = client.runs.wait(thread_id, "chat", input=said("and now?"))
    assert len(values["messages"]) == 300
    assert values["messages"][-1]["content"] == "I know 299 messages."
    assert client.threads.get_state(thread_id)["values"] == values
    assert [state["metadata"]["step"] for state in client.threads.get_history(thread_id)] == [
        *(4, 3, 2, 1, 0, -1),
    ]
    assert saver.verify(thread_id).ok


@pytest.mark.parametrize("graph", ["fan", "delta"])
def test_a_fan_out_of_300_tasks(client: Any, saver: DynamoDBSaver, graph: str) -> None:
    thread_id = new_thread(client, graph)
    values = client.runs.wait(thread_id, graph, input={"count": 300})
    assert values["log"] == list(range(300))
    values = client.runs.wait(thread_id, graph, input={"count": 2})
    assert values["log"] == [*range(300), 0, 1]
    assert client.threads.get_state(thread_id)["values"]["log"] == values["log"]
    assert saver.verify(thread_id).ok


def test_the_server_refuses_what_blocks_its_event_loop(dev: LangGraphDev, client: Any) -> None:
    """So the other tests show that the saver does not."""
    with pytest.raises(Exception, match="BlockingError"):
        client.runs.wait(new_thread(client, "blocking"), "blocking", input={"log": []})
    assert any("Blocking call to time.sleep" in str(error) for error in dev.new_errors())


def test_streams(client: Any) -> None:
    thread_id = new_thread(client, "chat")
    modes = ["values", "updates", "checkpoints"]
    parts = list(client.runs.stream(thread_id, "chat", input=said("hi"), stream_mode=modes))
    assert [part.data for part in parts if part.event == "error"] == []
    by_mode = {mode: [part.data for part in parts if part.event == mode] for mode in modes}
    assert [len(values["messages"]) for values in by_mode["values"]] == [1, 2]
    assert [list(update) for update in by_mode["updates"]] == [["reply"]]
    assert [one["metadata"]["step"] for one in by_mode["checkpoints"]] == [-1, 0, 1]


@pytest.mark.parametrize(
    ("graph", "last"), [("review", ["publish"]), ("nested", ["publish", "archive"])]
)
def test_an_interrupt_and_its_answer(
    client: Any, saver: DynamoDBSaver, graph: str, last: list[str]
) -> None:
    thread_id = new_thread(client, graph)
    waiting = client.runs.wait(thread_id, graph, input={"log": []})
    assert waiting["__interrupt__"][0]["value"] == {"so far": ["draft"]}
    assert client.threads.get(thread_id)["status"] == "interrupted"
    state = client.threads.get_state(thread_id, subgraphs=True)
    assert state["tasks"][0]["interrupts"][0]["value"] == {"so far": ["draft"]}
    values = client.runs.wait(thread_id, graph, command={"resume": "fine"})
    assert values["log"] == ["draft", "fine", *last]
    assert saver.verify(thread_id).ok


def test_a_state_is_updated_and_a_run_forks_from_an_older_one(client: Any) -> None:
    thread_id = new_thread(client, "review")
    client.runs.wait(thread_id, "review", input={"log": []})
    before = client.threads.get_state(thread_id)
    client.threads.update_state(thread_id, {"log": ["edited"]}, as_node="draft")
    assert client.threads.get_state(thread_id)["values"]["log"] == ["draft", "edited"]
    values = client.runs.wait(
        thread_id, "review", command={"resume": "no"}, checkpoint=before["checkpoint"]
    )
    assert values["log"] == ["draft", "no", "publish"]


def test_a_rollback_takes_back_what_a_run_has_stored(client: Any, saver: DynamoDBSaver) -> None:
    thread_id = new_thread(client, "slow")
    client.runs.wait(thread_id, "slow", input={"log": ["first"], "seconds": 0})
    kept = {found.config["configurable"]["checkpoint_id"] for found in stored(saver, thread_id)}
    undone = client.runs.create(thread_id, "slow", input={"log": ["undone"], "seconds": 60})
    wait_until(lambda: client.threads.get_state(thread_id)["next"] == ["wait"])
    values = client.runs.wait(
        thread_id,
        "slow",
        input={"log": ["second"], "seconds": 0},
        multitask_strategy="rollback",
    )
    assert values["log"] == ["first", "begin", "waited", "second", "begin", "waited"]
    found = stored(saver, thread_id)
    assert undone["run_id"] not in {one.metadata["run_id"] for one in found}
    assert kept < {one.config["configurable"]["checkpoint_id"] for one in found}
    assert saver.verify(thread_id).ok


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_copied_thread_is_one_of_its_own(client: Any, saver: DynamoDBSaver) -> None:
    thread_id = new_thread(client, "review")
    client.runs.wait(thread_id, "review", input={"log": []})
    copy_id = client.threads.copy(thread_id)["thread_id"]
    assert {found.metadata["thread_id"] for found in stored(saver, copy_id)} == {copy_id}
    assert len(client.threads.get_history(copy_id)) == len(client.threads.get_history(thread_id))
    answered = client.runs.wait(copy_id, "review", command={"resume": "copy"})
    assert answered["log"] == ["draft", "copy", "publish"]
    assert client.threads.get_state(thread_id)["next"] == ["ask"]
    assert saver.verify(copy_id).ok


@pytest.mark.parametrize("method", ["delete", "prune"])
def test_a_deleted_thread_leaves_nothing(client: Any, saver: DynamoDBSaver, method: str) -> None:
    thread_id = new_thread(client, "nested")
    client.runs.wait(thread_id, "nested", input={"log": []})
    assert stored(saver, thread_id)
    if method == "delete":
        client.threads.delete(thread_id)
    else:
        assert client.threads.prune([thread_id], strategy="delete") == {"pruned_count": 1}
    assert stored(saver, thread_id) == []
    assert saver.verify(thread_id).checkpoints == 0


def test_a_thread_goes_from_a_plain_graph_to_the_server_and_back(
    client: Any, saver: DynamoDBSaver
) -> None:
    thread_id = str(uuid.uuid4())
    graph = CHAT.compile(checkpointer=saver)
    graph.invoke(said(*(f"message {n}" for n in range(299))), thread(thread_id))
    new_thread(client, "chat", thread_id)
    assert len(client.threads.get_state(thread_id)["values"]["messages"]) == 300
    values = client.runs.wait(thread_id, "chat", input=said("on the server"))
    assert values["messages"][-1]["content"] == "I know 301 messages."
    values = graph.invoke(said("and back"), thread(thread_id))
    assert values["messages"][-1].content == "I know 303 messages."
    assert len(client.threads.get_state(thread_id)["values"]["messages"]) == 304
    assert saver.verify(thread_id).ok


def test_an_interrupt_of_the_server_is_answered_by_a_plain_graph(
    client: Any, saver: DynamoDBSaver
) -> None:
    thread_id = new_thread(client, "review")
    client.runs.wait(thread_id, "review", input={"log": []})
    graph = REVIEW.compile(checkpointer=saver)
    values = graph.invoke(Command(resume="elsewhere"), thread(thread_id))
    assert values["log"] == ["draft", "elsewhere", "publish"]
    assert client.threads.get_state(thread_id)["values"]["log"] == values["log"]


def test_a_restarted_server_goes_on_and_takes_the_checkpointer_from_a_file(
    dev: LangGraphDev, saver: DynamoDBSaver
) -> None:
    chat, review = new_thread(dev.client, "chat"), new_thread(dev.client, "review")
    dev.client.runs.wait(chat, "chat", input=said(*(f"message {n}" for n in range(99))))
    dev.client.runs.wait(review, "review", input={"log": []})
    history = dev.client.threads.get_history(chat)
    assert "Using custom checkpointer: DynamoDBSaver" in dev.log
    dev.stop()
    dev.start(FILE)
    assert f"Configuring custom checkpointer at {FILE}" in dev.log
    for thread_id, graph in ((chat, "chat"), (review, "review")):
        dev.client.threads.create(thread_id=thread_id, graph_id=graph, if_exists="do_nothing")
    assert dev.client.threads.get_history(chat) == history
    values = dev.client.runs.wait(chat, "chat", input=said("still there?"))
    assert values["messages"][-1]["content"] == "I know 101 messages."
    values = dev.client.runs.wait(review, "review", command={"resume": "later"})
    assert values["log"] == ["draft", "later", "publish"]
    assert saver.verify(chat).ok
    assert saver.verify(review).ok
