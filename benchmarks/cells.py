"""What all reports of the benchmark share: Markdown tables, and words for how a run ended."""

import re
from collections.abc import Iterator, Sequence

LONGEST_ERROR = 160
_AFTER = re.compile(r"after (\d+) turns")
_LIMIT = re.compile(r"no end in (\d+) s")


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_last: bool = True
) -> Iterator[str]:
    rule = ["---", *["---:"] * (len(header) - 2), "---" if text_last else "---:"]
    for row in (header, rule, *rows):
        yield f"| {' | '.join(row)} |"


def is_stopped(error: str) -> bool:
    """Whether the benchmark's time limit ended a run, which is no failure of the saver."""
    return time_limit(error) is not None


def time_limit(error: str) -> int | None:
    """The seconds of the time limit that ended a run; `None` if something else did."""
    found = _LIMIT.match(error)
    return int(found[1]) if found else None


def is_too_large(error: str) -> bool:
    """Whether an item over DynamoDB's limit did: DynamoDB's words, or the engine's status."""
    return "Item size" in error or "(413)" in error


def reason(error: str) -> str:
    """The innermost cause, on one line that a table can hold."""
    if is_too_large(error):
        return "item over 400 KB"
    line = " ".join(error.rsplit(" <- ", maxsplit=1)[-1].split()).replace("|", "\\|")
    return line if len(line) <= LONGEST_ERROR else line[:LONGEST_ERROR] + "…"


def end_of_chat(error: str | None) -> str:
    """How a timed chat ended, and after how many turns, where that is known."""
    if not error:
        return "done"
    turns = _AFTER.search(error)
    after = f" after {int(turns[1]):,} turns" if turns else ""
    if is_stopped(error):
        return f"stopped{after}: {error.partition(',')[0]}"
    return f"fails{after}: {reason(error)}"
