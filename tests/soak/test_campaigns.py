"""The soak campaigns in their short form, and the runner that publishes their figures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chats
import differential
import directory
import expiry
import fuzz
import kills
import loopback_proxy
import partition
import races
import run as runner
import throttling

SOAK = Path(__file__).parents[2] / "soak"
PAGE = f"before\n{runner.BEGIN}\n\n{runner.table([])}\n\n{runner.END}\nafter\n"


def campaign(title: str = "A campaign", error: Exception | None = None) -> Any:
    def run(endpoint: str, seed: int, **arguments: int) -> dict[str, float]:
        if error is not None:
            raise error
        return {"seed_seen": seed, "rate": 0.5, **arguments}

    return SimpleNamespace(TITLE=title, SHORT={"kills": 1}, LONG={"kills": 1000}, run=run)


def outcome(title: str, seed: int = 1, **figures: float) -> Any:
    return runner.row(runner.Outcome(title, figures, 1.0, seed))


# The figures of each short form


def check_beside(figures: dict[str, Any]) -> None:
    assert figures["turns"] == 3
    assert min(figures[name] for name in ("prunes", "copies", "deletions")) > 0


def check_chaos(figures: dict[str, Any]) -> None:
    assert figures["acknowledged_checkpoints"] > figures["turns"] > 0
    assert figures["requests"] > 100
    done = sum(figures.get(fault, 0) for fault in loopback_proxy.FAULTS)
    assert done > figures["requests"] / 10


def check_chats(figures: dict[str, Any]) -> None:
    assert figures["chats"] == chats.SHORT["chats"]
    assert 5 < figures["write units a turn"] <= chats.MOST_UNITS


def check_differential(figures: dict[str, Any]) -> None:
    assert figures["cases"] == differential.SHORT["cases"]
    assert figures["turns"] > figures["cases"]
    assert figures.keys() >= differential.KINDS.keys()
    assert figures["differences"] == 0


def check_directory(figures: dict[str, Any]) -> None:
    assert figures["interleavings"] == directory.SHORT["interleavings"]
    for name in ("checks", "acknowledged checkpoints", "late requests", "kills", "deletions"):
        assert figures[name] > figures["interleavings"]


def check_expiry(figures: dict[str, Any]) -> None:
    assert figures["steps"] == expiry.SHORT["steps"]
    for name in (
        *("days", "read", "expired", "deleted", "forks", "subgraphs", "switches"),
        *("TTLs applied", "newest read", "threads over"),
    ):
        assert figures[name] > 0


def check_fuzz(figures: dict[str, Any]) -> None:
    assert figures["cases"] == fuzz.SHORT["cases"]
    assert min(figures["read"], figures["refused"]) > figures["cases"] // 10


def check_kills(figures: dict[str, Any]) -> None:
    assert figures["kills"] == kills.SHORT["kills"]
    assert figures["acknowledged_checkpoints"] > 0
    assert figures["acknowledged_writes"] > 0
    assert 0 < figures["listed"] <= figures["threads"]
    assert figures["deletions"] == 2


def check_large(figures: dict[str, Any]) -> None:
    for mode in ("sync", "async"):
        # Written once, in batches of about 128 KB; read back in ranges of about 512 KB.
        assert 20 < figures[f"{mode} save: requests"] < 8 * 12
        assert 8 <= figures[f"{mode} load: requests"] < 8 * 10
        assert figures[f"{mode} nothing: requests"] == 0


def check_lifecycle(figures: dict[str, Any]) -> None:
    assert figures["cancelled"] > 40
    assert figures["left behind"] == 0


def check_races(figures: dict[str, Any]) -> None:
    assert figures["interleavings"] == races.SHORT["interleavings"]
    assert figures["loaded"] > 5 * figures["interleavings"]
    assert figures["deleted"] > 0
    assert figures["killed"] > 0


def check_partition(figures: dict[str, Any]) -> None:
    for mode in ("sync", "async"):
        case = f"{mode} {partition.SHORT['megabytes'][0]} MB of bytes"
        assert figures[f"{case}: throttled"] > 0
        assert figures[f"{case}: saved in s"] > 0
        assert figures[f"{case}: loaded in s"] > 0


def check_throttling(figures: dict[str, Any]) -> None:
    assert figures["turns"] == throttling.SHORT["turns"] * throttling.SHORT["writers"]
    assert figures["throttled"] + figures["left_in_part"] > figures["requests"] / 5
    assert 0 < figures["longest_wait_ms"] <= 1000 * throttling.LONGEST_DELAY


def check_writers(figures: dict[str, Any]) -> None:
    assert figures["checkpoints"] == 4 * 3 * 4
    assert 0 < figures["fenced checkpoints"] <= figures["checkpoints"]


CHECKS = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}
SEEDS = {"races": (1, 2)}
"""Of a campaign that runs with more seeds than one."""

CAMPAIGNS = runner.campaigns()
RUNS = [(name, seed) for name in CAMPAIGNS for seed in SEEDS.get(name, (1,))]


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_the_short_form(name: str, seed: int, request: pytest.FixtureRequest) -> None:
    campaign = CAMPAIGNS[name]
    needed = runner.needs_engine(campaign)
    endpoint = request.getfixturevalue("endpoint_url") if needed else "no endpoint"
    CHECKS[name](campaign.run(endpoint, seed, **campaign.SHORT))


# The runner


def test_every_campaign_keeps_the_contract() -> None:
    found = runner.campaigns()
    for name, module in found.items():
        assert (SOAK / f"{name}.py").is_file()
        assert module.SHORT.keys() == module.LONG.keys()
        assert "|" not in module.TITLE
    assert CHECKS.keys() == found.keys(), "no check of the figures of its short form"
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
