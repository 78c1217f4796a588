"""The check of `soak/kills.py` finds what is broken."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ledger
import listed
import work
from tables import new_table

THREAD = "thread"


class Written:
    """A thread, its ledger and its items."""

    def __init__(self, saver: ledger.LedgerSaver, path: Path, dynamodb: Any) -> None:
        self.saver, self.path, self._dynamodb = saver, path, dynamodb
        self._table = saver.config.table_config.table_name

    def check(self) -> Any:
        return ledger.check(self.saver, THREAD, ledger.read(self.path), 1)

    def keys(self, part: str) -> list[Any]:
        page = self._dynamodb.scan(TableName=self._table, ProjectionExpression="PK, SK")
        return sorted((key for key in page["Items"] if part in key["SK"]["S"]), key=str)

    def delete(self, key: Any) -> None:
        self._dynamodb.delete_item(TableName=self._table, Key=key)

    def copy(self, source: Any, target: Any) -> None:
        item = self._dynamodb.get_item(TableName=self._table, Key=source)["Item"]
        self._dynamodb.put_item(TableName=self._table, Item={**item, **target})


@pytest.fixture
def written(endpoint_url: str, dynamodb: Any, tmp_path: Path) -> Iterator[Written]:
    with (
        new_table(endpoint_url) as settings,
        ledger.LedgerSaver(settings, tmp_path) as saver,
        ThreadPoolExecutor(3) as pool,
    ):
        for _ in range(3):
            work.plain(saver, THREAD, random.Random(1), pool)
        yield Written(saver, tmp_path / THREAD, dynamodb)


def test_the_check_counts_what_was_acknowledged(written: Written) -> None:
    # Three tasks, each with two regular writes and a special one.
    assert written.check() == {"checkpoints": 3, "writes": 27, "unacknowledged": 0}


def test_the_check_misses_a_lost_checkpoint(written: Written) -> None:
    checkpoints = [key for key in written.keys("C#") if "#W#" not in key["SK"]["S"]]
    written.delete(checkpoints[-1])
    with pytest.raises(AssertionError, match=r"seed 1, thread thread: acknowledged .* is lost"):
        written.check()


@pytest.mark.parametrize("part", ["#W#task-1", "#W#task-1#"])
def test_the_check_misses_a_lost_write(written: Written, part: str) -> None:
    written.delete(written.keys(part)[-1])
    with pytest.raises(AssertionError, match="is lost or undone"):
        written.check()


def test_the_check_sees_a_checkpoint_that_is_another(written: Written) -> None:
    checkpoints = [key for key in written.keys("C#") if "#W#" not in key["SK"]["S"]]
    written.copy(checkpoints[0], checkpoints[1])
    with pytest.raises(AssertionError, match="is not as it was put"):
        written.check()


def test_the_check_sees_a_special_write_that_was_undone(written: Written) -> None:
    config = written.saver.get_tuple(work.config_of(THREAD)).config  # type: ignore[union-attr]
    for answer in ("a", "b"):
        written.saver.put_writes(config, [(work.RESUME, answer)], "asked")
    written.check()
    plain = ledger.DynamoDBSaver.put_writes
    plain(written.saver, config, [(work.RESUME, "a")], "asked")
    with pytest.raises(AssertionError, match="is lost or undone"):
        written.check()


def test_the_check_sees_what_the_directory_misses(written: Written, dynamodb: Any) -> None:
    table = written.saver.config.table_config.table_name
    ledgers = {THREAD: ledger.read(written.path)}
    assert listed.check(written.saver, ledgers, 1) == 1
    with pytest.raises(AssertionError, match="is deleted, and listed"):
        listed.check(written.saver, {THREAD: []}, 1)
    (key,) = written.keys("D#")
    entry = dynamodb.get_item(TableName=table, Key=key)["Item"]
    late = str(float(entry["A"]["N"]) - 2 * 3600)
    for changed, message in (({"A": {"N": late}}, "s behind"), ({"O": {"S": "x"}}, "differ")):
        dynamodb.put_item(TableName=table, Item={**entry, **changed})
        with pytest.raises(AssertionError, match=message):
            listed.check(written.saver, ledgers, 1)
    written.delete(key)
    with pytest.raises(AssertionError, match="is not listed"):
        listed.check(written.saver, ledgers, 1)
    with pytest.raises(AssertionError, match="is deleted, and stored"):
        listed.check(written.saver, {THREAD: []}, 1)


def test_a_torn_last_line_is_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text('{"name": "1-0", "at": ["", "x"], "state": "s"}\n{"name": "1-0", "en')
    (entry,) = ledger.read(path)
    assert entry["end"] == "killed"
