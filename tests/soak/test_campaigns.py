"""The runner of the soak campaigns: finds them, tells what broke, publishes figures."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SOAK = Path(__file__).parents[2] / "soak"
sys.path.append(str(SOAK))

import run as runner  # noqa: E402 - the path comes first

PAGE = f"before\n{runner.BEGIN}\n\n{runner.table([])}\n\n{runner.END}\nafter\n"


def campaign(title: str = "A campaign", error: Exception | None = None) -> Any:
    def run(endpoint: str, seed: int, **arguments: int) -> dict[str, float]:
        if error is not None:
            raise error
        return {"seed_seen": seed, "rate": 0.5, **arguments}

    return SimpleNamespace(TITLE=title, SHORT={"kills": 1}, LONG={"kills": 1000}, run=run)


def outcome(title: str, seed: int = 1, **figures: float) -> Any:
    return runner.row(runner.Outcome(title, figures, 1.0, seed))


def test_every_campaign_keeps_the_contract() -> None:
    found = runner.campaigns()
    for name, module in found.items():
        assert (SOAK / f"{name}.py").is_file()
        assert module.SHORT.keys() == module.LONG.keys()
        assert "|" not in module.TITLE
        assert (Path(__file__).parent / f"test_soak_{name}.py").is_file(), (
            "no test of its short form"
        )
    assert len({module.TITLE for module in found.values()}) == len(found)


@pytest.mark.parametrize(("short", "kills"), [(True, 1), (False, 1000)])
def test_a_campaign_runs_in_the_form_asked_for(short: bool, kills: int) -> None:
    done = runner.attempt(campaign(), "http://engine", 7, short=short)
    assert done.figures == {"seed_seen": 7, "rate": 0.5, "kills": kills}
    assert runner.shown(done.figures) == f"seed seen 7; rate 0.50; kills {kills:,}"


def test_a_broken_promise_does_not_keep_the_others_from_running() -> None:
    chosen = {"bad": campaign("Bad", AssertionError("seed 7: lost one")), "good": campaign("Good")}
    options = SimpleNamespace(seed=7, short=True)
    bad, good = runner.run_all(chosen, "http://engine", options)
    assert "seed 7: lost one" in bad.broken
    assert not good.broken


def test_figures_replace_those_of_the_same_campaign_only() -> None:
    titles = ["First", "Second"]
    page = runner.filled(PAGE, [outcome("First", kills=1), outcome("Gone", kills=2)], titles)
    page = runner.filled(page, [outcome("Second", kills=3)], titles)
    page = runner.filled(page, [outcome("First", seed=9, kills=4)], titles)
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ")][2:]
    assert rows == [["| First", "kills 4"], ["| Second", "kills 3"]]
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")


@pytest.mark.parametrize("given", [["nothing"], ["--short", "--write"]])
def test_what_cannot_be_run_is_refused(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        runner.arguments({"kills": campaign()}, given)
    told = capsys.readouterr().err
    assert "there are kills" in told or "leave --short out" in told


def test_the_published_table_is_of_campaigns_that_exist() -> None:
    page = runner.PAGE.read_text()
    titles = [module.TITLE for module in runner.campaigns().values()]
    assert runner.filled(page, [], titles) == page
