"""The graphs of the demo: a chat, a payment, a trip, a file. Nothing here knows of DynamoDB.

The nodes are ordinary functions, and the "model" of the chat is a deterministic one,
so that the demo needs no API key and says the same thing every time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

Observe = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Wraps a node, so that its runs can be counted."""

INTRODUCTION = "My name is "
AMOUNTS = {"Lovelace & Co.": "240.00 EUR"}


def answer(state: MessagesState) -> dict[str, Any]:
    """Stand in for a language model: all that it knows is in the messages."""
    said = [message.text for message in state["messages"] if message.type == "human"]
    names = [
        text.removeprefix(INTRODUCTION).rstrip(".")
        for text in said
        if text.startswith(INTRODUCTION)
    ]
    if not names:
        reply = "I do not know your name yet."
    elif said[-1].startswith(INTRODUCTION):
        reply = f"Nice to meet you, {names[-1]}!"
    else:
        reply = f"Your name is {names[-1]}."
    return {"messages": [("ai", reply)]}


def chat(observe: Observe) -> StateGraph:
    """START → answer → END."""
    builder = StateGraph(MessagesState)
    builder.add_node("answer", observe(answer))
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder


class Payment(TypedDict, total=False):
    """The state of one payment."""

    payee: str
    amount: str
    approved_by: str
    receipt: str


def prepare(state: Payment) -> Payment:
    """Look the invoice up."""
    return {"amount": AMOUNTS[state["payee"]]}


def approve(state: Payment) -> Payment:
    """Ask a human; the graph stops here until somebody answers."""
    return {"approved_by": interrupt(f"Pay {state['amount']} to {state['payee']}?")}


def pay(state: Payment) -> Payment:
    """Do what must happen exactly once."""
    return {
        "receipt": f"Paid {state['amount']} to {state['payee']}, approved by {state['approved_by']}"
    }


def payment(observe: Observe) -> StateGraph:
    """START → prepare → approve → pay → END."""
    builder = StateGraph(Payment)
    builder.add_sequence([(node.__name__, observe(node)) for node in (prepare, approve, pay)])
    builder.add_edge(START, "prepare")
    builder.add_edge("pay", END)
    return builder


class Trip(TypedDict, total=False):
    """The state of one trip; two nodes add to `found` in the same step."""

    city: str
    found: Annotated[list[str], operator.add]
    itinerary: str


def flights(state: Trip) -> Trip:
    """Find a flight: slow and paid for in real life, not to be done twice."""
    return {"found": [f"flight to {state['city']} at 09:40"]}


def hotels(state: Trip) -> Trip:
    """Find a room, in parallel with the flight."""
    return {"found": [f"room in {state['city']} with a view"]}


def itinerary(state: Trip) -> Trip:
    """Join what both have found."""
    return {"itinerary": " + ".join(state["found"])}


def trip(observe: Observe, hotels: Callable[[Trip], Trip] = hotels) -> StateGraph:
    """START → (flights, hotels) → itinerary → END."""
    builder = StateGraph(Trip)
    builder.add_node("flights", observe(flights))
    builder.add_node("hotels", observe(hotels))
    builder.add_node("itinerary", observe(itinerary))
    builder.add_edge(START, "flights")
    builder.add_edge(START, "hotels")
    builder.add_edge(["flights", "hotels"], "itinerary")
    builder.add_edge("itinerary", END)
    return builder


class File(TypedDict, total=False):
    """The state of a graph that carries a large value."""

    content: bytes
    note: str


def look(state: File) -> File:
    """Look at the file, and leave it as it is."""
    return {"note": state.get("note", "new")}


def filing(observe: Observe) -> StateGraph:
    """START → look → END."""
    builder = StateGraph(File)
    builder.add_node("look", observe(look))
    builder.add_edge(START, "look")
    builder.add_edge("look", END)
    return builder
