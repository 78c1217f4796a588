"""Tables, lines of JSON, and text that a terminal may not obey."""

from __future__ import annotations

import json
import re

import pytest

from langgraph_checkpoint_dynamodb.cli.output import Output, cell, printable

ROWS = [
    {"thread_id": "a", "items": 1200, "usd_month": 0.00000125, "more": [1]},
    {"thread_id": "b[red]", "items": None, "usd_month": 2.5, "more": None},
]


def test_a_table_has_the_chosen_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_lines=False).rows(ROWS, ("thread_id", "items", "usd_month"))
    assert capsys.readouterr().out.splitlines() == [
        "thread id  items   usd month",
        "a          1,200  0.00000125",
        "b[red]                   2.5",
    ]


def test_lines_have_all_of_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_lines=True).rows(ROWS, ("thread_id",))
    told = capsys.readouterr()
    assert [json.loads(line) for line in told.out.splitlines()] == ROWS
    assert told.err == ""


def test_no_rows_are_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_lines=False).rows([], ("thread_id",))
    assert capsys.readouterr().out == ""


def test_what_is_no_terminal_gets_whole_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    rows = [{"detail": "word " * 50, "thread_id": one} for one in ("b" * 20_000, "c")]
    Output(as_lines=False).rows(rows, ("detail", "thread_id"))
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == f"{'word ' * 50}  {'b' * 20_000}"
    assert second == f"{'word ' * 50}  c"  # without the spaces that the row above would need


def test_a_terminals_columns_are_kept_and_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    monkeypatch.setenv("COLUMNS", "40")
    row = {"thread_id": "t" * 36, "checkpoint_id": "c" * 36, "step": 12, "status": "s" * 11}
    Output(as_lines=False).rows([row], tuple(row))
    shown = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 40
    rows = "".join(shown.splitlines()[2:])
    assert (rows.count("t"), rows.count("c"), "12" in rows, rows.count("s")) == (36, 36, True, 11)


@pytest.mark.parametrize(
    ("width", "absent"), [(120, []), (80, ["source", "next"]), (75, ["source", "next", "step"])]
)
def test_a_narrow_terminal_gets_fewer_columns_and_whole_ids(
    width: int,
    absent: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    row = {
        "made": "2026-11-29T06:35:20Z",
        "step": 12,
        "source": "update",
        "status": "interrupted",
        "next": ["approve", "publish"],
        "checkpoint_id": "1f1ebbf0-c36d-6f8d-8001-f7a1ff26d422",
    }
    Output(as_lines=False).rows([row], tuple(row))
    told = capsys.readouterr()
    titles, first, *_ = re.sub(r"\x1b\[\d*m", "", told.out).splitlines()
    assert all(row[name] in first for name in ("made", "status", "checkpoint_id"))
    assert [name for name in ("source", "next", "step") if name not in titles] == absent
    assert ("--json has all" in told.err) == bool(absent)


def test_an_id_with_line_ends_is_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"thread_id": "a\nb\tc\u2028d"}
    Output(as_lines=False).rows([row], ("thread_id",))
    assert capsys.readouterr().out == "thread id\na\\nb\\tc\\u2028d\n"
    Output(as_lines=True).rows([row], ("thread_id",))
    assert json.loads(capsys.readouterr().out) == row


@pytest.mark.parametrize(("no_color", "has_color"), [("1", False), (None, True)])
def test_no_color_is_honoured(
    no_color: str | None,
    has_color: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    Output(as_lines=False).text("x", "green")
    assert ("\x1b[32m" in capsys.readouterr().out) == has_color


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 \t\n", "plain é 漢 \t\n"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b\x00\r\x7f", "\\x9b\\x00\\r\\x7f"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_cells() -> None:
    assert [cell(value) for value in (None, True, 1234, 0.5, ["a", "b"], {"a": 1})] == [
        *("", "true", "1,234", "0.5", "a, b", '{"a": 1}')
    ]
