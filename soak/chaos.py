"""A network that loses, cuts, delays and repeats, under writers that go on.

A request may arrive after ones that were sent and acknowledged later, and arrive twice: none may
undo what was acknowledged. Writers may see errors; they do the step again.
"""

import sys
import tempfile
from pathlib import Path

from botocore.config import Config

import ledger
from crowd import Crowd
from tables import config, new_table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from loopback_proxy import run_chaos_proxy

TITLE = "A network that drops, delays, repeats and cuts, under 32 writers"
SHORT = {"seconds": 5, "writers": 8}
LONG = {"seconds": 180, "writers": 32}

READ_SECONDS = 1
"""Less than a hung reply takes."""


def run(endpoint: str, seed: int, seconds: int, writers: int) -> dict[str, int | float]:
    """Write through the proxy, then hold every thread against what was acknowledged on it."""
    with tempfile.TemporaryDirectory() as directory, new_table(endpoint) as settings:
        with run_chaos_proxy(endpoint, seed) as proxy:
            table = settings.table_config.table_name
            through = config(proxy.url, table, botocore_config=Config(read_timeout=READ_SECONDS))
            crowd = Crowd(through, Path(directory), seed)
            crowd.work(writers, seconds=seconds)
            done = proxy.stop()
        counts = ledger.check_all(settings, Path(directory), seed)
    return {
        "writers": writers,
        "turns": crowd.counts["turns"],
        "errors_seen_by_writers": crowd.counts["errors"],
        **done,
        "listed": counts["listed"],
        "acknowledged_checkpoints": counts["checkpoints"],
        "acknowledged_writes": counts["writes"],
        "lost": 0,
        "wrong": 0,
    }
