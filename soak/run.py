"""Run the soak campaigns: each breaks something on purpose, and checks every answer.

    make soak
    make soak ARGS="kills chaos --seed 7"
    make soak ARGS="--short"

A campaign is a module of this directory with a `TITLE`, the arguments of its `SHORT` and its
`LONG` form, and `run(endpoint, seed, **arguments)`, which returns figures and raises
`AssertionError` at the first broken promise. One with `ENGINE = False` uses no endpoint. Prints
the figures as Markdown. `--write` puts them into docs/reliability.md, in place of the same
campaigns' older ones.
"""

import argparse
import importlib
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "reliability.md"
sys.path.append(str(HERE.parent / "tests" / "support"))
from engine import EngineMissingError, run_engine

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEADER = ("campaign", "figures", "seconds", "seed", "date")


class Outcome(NamedTuple):
    """What a campaign came to; `broken` is empty if every promise was kept."""

    title: str
    figures: Mapping[str, float]
    seconds: float
    seed: int
    broken: str = ""


def campaigns() -> dict[str, Any]:
    """The modules beside this one that are campaigns, by name."""
    names = sorted(path.stem for path in HERE.glob("*.py") if path.stem != Path(__file__).stem)
    modules = {name: importlib.import_module(name) for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "TITLE")}


def needs_engine(campaign: Any) -> bool:
    return bool(getattr(campaign, "ENGINE", True))


def main() -> None:
    found = campaigns()
    chosen = arguments(found)
    run = {name: found[name] for name in chosen.campaigns}
    engine = run_engine() if any(map(needs_engine, run.values())) else nullcontext("")
    try:
        with engine as endpoint:
            outcomes = run_all(run, endpoint, chosen)
    except EngineMissingError as error:
        sys.exit(str(error))
    rows = [row(outcome) for outcome in outcomes if not outcome.broken]
    print(table(rows))
    if chosen.write:
        titles = [module.TITLE for module in found.values()]
        PAGE.write_text(filled(PAGE.read_text(), rows, titles))
    if len(rows) < len(outcomes):
        sys.exit("broken: " + ", ".join(one.title for one in outcomes if one.broken))


def arguments(found: Mapping[str, Any], given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="; ".join(f"{name}: {module.TITLE}" for name, module in found.items()),
    )
    parser.add_argument("campaigns", nargs="*", metavar="campaign", help="which (default: all)")
    parser.add_argument("--short", action="store_true", help="the form that the tests run")
    parser.add_argument("--seed", type=int, help="what all chance comes from (default: a new one)")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    chosen = parser.parse_args(given)
    unknown = set(chosen.campaigns) - found.keys()
    if unknown:
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    if chosen.short and chosen.write:
        parser.error("--write publishes the long form: leave --short out")
    chosen.campaigns = chosen.campaigns or list(found)
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1 << 32)
    return chosen


def run_all(chosen: Mapping[str, Any], endpoint: str, options: argparse.Namespace) -> list[Outcome]:
    outcomes = []
    with bars() as progress:
        overall = progress.add_task("all", total=len(chosen))
        for name, campaign in chosen.items():
            task = progress.add_task(name, total=None)
            outcome = attempt(campaign, endpoint, options.seed, short=options.short)
            progress.remove_task(task)
            progress.advance(overall)
            told = outcome.broken or shown(outcome.figures)
            progress.console.print(
                f"{name}: {told} ({outcome.seconds:.0f} s, seed {outcome.seed})",
                markup=False,
                highlight=False,
            )
            outcomes.append(outcome)
    return outcomes


def attempt(campaign: Any, endpoint: str, seed: int, *, short: bool) -> Outcome:
    """Run one campaign. One that fails does not keep the others from running."""
    started = time.monotonic()
    figures, broken = {}, ""
    try:
        figures = campaign.run(endpoint, seed, **(campaign.SHORT if short else campaign.LONG))
    except Exception:
        broken = traceback.format_exc()
    return Outcome(campaign.TITLE, figures, time.monotonic() - started, seed, broken)


def bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def shown(figures: Mapping[str, float]) -> str:
    """Figures in words: `kills 1,000; lost 0`."""
    return "; ".join(
        f"{name.replace('_', ' ')} {value:,}"
        if isinstance(value, int)
        else f"{name.replace('_', ' ')} {value:,.2f}"
        for name, value in figures.items()
    )


def row(outcome: Outcome) -> tuple[str, ...]:
    today = datetime.now(timezone.utc).date().isoformat()
    seconds = f"{outcome.seconds:,.0f}"
    return (outcome.title, shown(outcome.figures), seconds, str(outcome.seed), today)


def table(rows: Sequence[Sequence[str]]) -> str:
    rule = ("---", "---", "---:", "---:", "---")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, rule, *rows))


def filled(page: str, rows: Sequence[Sequence[str]], titles: Sequence[str]) -> str:
    """The page with these rows in place of the same campaigns'; other campaigns keep theirs."""
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = {cells[0]: cells for cells in _cells(old)} | {cells[0]: cells for cells in rows}
    told = table([kept[title] for title in titles if title in kept])
    return f"{before}{BEGIN}\n\n{told}\n\n{END}{after}"


def _cells(text: str) -> Iterator[list[str]]:
    for line in text.strip().splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("| ").split("|")]


if __name__ == "__main__":
    main()
