"""`doctor`: what is wrong with the credentials, the table or the permissions, and what to do."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from ..config.saver_config import DynamoDBConfig
from ..config.source_table import layout_of, writer_of
from ..config.table_config import DynamoDBTableConfig
from ..drivers.places import session_region
from ..drivers.sessions import credentials_source
from ..drivers.sync import SyncDriver
from ..errors import DISTRIBUTION, DynamoDBSaverError, TableMismatchError
from ..format import requests
from ..format.thread_entries import THREAD_INDEX
from ..infra import probe
from ..infra.api_calls import requests_of
from ..infra.describe import check_keys
from ..infra.template import INDEXES
from ..runtime.effects import Call
from ..saver.saver import DynamoDBSaver
from .connection import FINDINGS, Connection, command
from .output import Row
from .wording import copying, in_options

app = typer.Typer()

GOOD, NOTE, BAD, UNKNOWN = "ok", "note", "problem", "unknown"

_PACKAGES = ("langgraph-checkpoint", "langgraph", "boto3", "botocore", "aiobotocore", "aioboto3")
_UNSUPPORTED = "not supported by this endpoint"
_USABLE = ("ACTIVE", "UPDATING")
_MAX_SECONDS = 30.0
"""How far clocks may differ. The newest checkpoint is the one with the latest time in its id."""


@app.command()
@command
def doctor(
    connection: Connection,
    thread_id: Annotated[
        str, typer.Option(help="A thread id that the role may use; it need not exist.")
    ] = "doctor",
) -> None:
    """Check credentials, Region, table, TTL, permissions, clock and versions; say what to do.

    Changes nothing: permissions are tried with calls that cannot succeed, or that find nothing.
    Exits with 4 if there are problems.

    Examples:
        langgraph-dynamodb doctor --table chats

        langgraph-dynamodb doctor --stack checkpoints --region eu-central-1
    """
    connection.check_choice()
    with connection.output.busy("checking"):
        rows = list(_checks(connection, thread_id))
    shown = rows if connection.json else map(_in_words, rows)
    connection.output.rows(shown, ("check", "status", "found_and_what_to_do"))
    if any(row["status"] == BAD for row in rows):
        raise typer.Exit(FINDINGS)


def _in_words(row: Row) -> Row:
    """A row for people: in one column, a long finding does not widen the lines of others."""
    texts = (row["found"], row["what_to_do"])
    return {**row, "found_and_what_to_do": "; ".join(filter(None, texts))}


def _checks(connection: Connection, thread_id: str) -> Iterator[Row]:
    yield _versions()
    credentials = _credentials(connection.reach)
    yield credentials
    region = connection.reach.region_name or session_region(connection.reach)
    yield _row("Region", region, None if region else "pass --region, or set AWS_DEFAULT_REGION")
    if not region or credentials["status"] == BAD:
        return
    try:
        config = _config(connection)
    except DynamoDBSaverError as error:
        yield _row("table", None, str(error))
        return
    driver = SyncDriver(config)
    try:
        yield from _of_table(driver, config, thread_id)
    finally:
        driver.close()


def _config(connection: Connection) -> DynamoDBConfig:
    """The configuration of the table, which may be missing or closed to this role."""
    if connection.stack is not None:
        return connection.config
    table = DynamoDBTableConfig(table_name=connection.table_name)
    return replace(connection.reach, table_config=table)


def _of_table(driver: SyncDriver, config: DynamoDBConfig, thread_id: str) -> Iterator[Row]:
    name = config.table_config.table_name
    described = driver.run(probe.attempt(Call("describe_table", {"TableName": name})))
    now = DynamoDBSaver.clock()
    table = None if described.reply is None else described.reply["Table"]
    yield _table(described, config)
    if table is None and not described.is_denied:
        return
    if table is not None:
        yield _clock(described.reply, now)
        yield _indexes(table, config)
        yield from _items(driver, config)
    yield _ttl(driver, config)
    for one in probe.probes(name, thread_id, _names_of_indexes(table, config)):
        yield _permission(one, driver.run(probe.attempt(one.call)))


def _versions() -> Row:
    found = [f"python {platform.python_version()}"]
    for name in (DISTRIBUTION, *_PACKAGES):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return _row("versions", ", ".join(found))


def _credentials(config: DynamoDBConfig) -> Row:
    found, problem = credentials_source(config)
    what_to_do = (
        f"{problem or 'there are none'}: set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, pass --profile, or run `aws sso login`"
    )
    return _row("credentials", found and f"from {found}", None if found else what_to_do)


def _table(described: probe.Outcome, config: DynamoDBConfig) -> Row:
    if described.error is not None:
        if described.is_denied and described.error.code == "AccessDeniedException":
            hint = "allow dynamodb:DescribeTable to check keys, indexes and the clock"
            return _row("table", "not shown to this role", hint, UNKNOWN)
        return _row("table", None, str(described.error))
    table = described.reply["Table"]
    try:
        check_keys(table, requests_of(config.table_config).create_table.params)
    except TableMismatchError as error:
        return _row("table", table["TableStatus"], str(error))
    status = table["TableStatus"]
    wait = None if status in _USABLE else "wait until the table is ACTIVE"
    return _row("table", f"{table['TableName']!r} is {status}, keys PK and SK", wait)


def _clock(reply: Any, now: float) -> Row:
    date = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if date is None:
        return _row("clock", "the endpoint tells no time", None, UNKNOWN)
    seconds = now - parsedate_to_datetime(date).timestamp()
    far = abs(seconds) > _MAX_SECONDS
    words = "ahead of" if seconds > 0 else "behind"
    return _row(
        "clock",
        f"{abs(seconds):.0f} s {words} the endpoint's" if far else "as the endpoint's",
        "set the clock by NTP: the newest checkpoint and expiry go by it" if far else None,
    )


def _names_of_indexes(table: Any | None, config: DynamoDBConfig) -> list[str]:
    """The indexes of the table; those of the configuration if the role may not describe it."""
    if table is None:
        return [name for name, on in INDEXES.items() if getattr(config.table_config, on)]
    return [index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())]


def _indexes(table: Any, config: DynamoDBConfig) -> Row:
    found = {
        one["IndexName"]: one.get("IndexStatus", "ACTIVE")
        for one in table.get("GlobalSecondaryIndexes", ())
    }
    building = [name for name, status in found.items() if status not in _USABLE]
    names = ", ".join(sorted(found)) or "none"
    if not building and config.table_config.enable_thread_index and THREAD_INDEX not in found:
        hint = (
            f"add the index {THREAD_INDEX!r} (EnableThreadIndex=true) and call index_threads, so "
            "that list_threads can list; or set enable_thread_index=False, which saves its writes"
        )
        return _row("indexes", names, hint, NOTE)
    return _row(
        "indexes", names, f"wait until {', '.join(building)} is ACTIVE" if building else None
    )


def _items(driver: SyncDriver, config: DynamoDBConfig) -> Iterator[Row]:
    """Whose the first items are; nothing if the role may not scan."""
    name = config.table_config.table_name
    reply = driver.run(probe.attempt(requests.sample_keys(name))).reply
    if reply is None:
        return
    layouts = set(map(layout_of, reply["Items"]))
    for layout in sorted(filter(None, layouts)):
        yield _row("items", f"of {writer_of(layout)}", f"copy them: {copying(name, layout)}")
    if layouts <= {None}:
        yield _row("items", "of this package" if layouts else "none")


def _ttl(driver: SyncDriver, config: DynamoDBConfig) -> Row:
    call = Call("describe_time_to_live", {"TableName": config.table_config.table_name})
    outcome = driver.run(probe.attempt(call))
    if outcome.is_unsupported:
        return _row("TTL", _UNSUPPORTED, status=NOTE)
    if outcome.error is not None:
        hint = f"allow dynamodb:DescribeTimeToLive, or pass --ttl-attribute: {outcome.error}"
        return _row("TTL", "not shown to this role", hint, UNKNOWN)
    found = outcome.reply["TimeToLiveDescription"]
    status, attribute = found.get("TimeToLiveStatus"), found.get("AttributeName")
    wanted = config.table_config.ttl_attribute if config.table_config.enable_ttl else None
    if status not in {"ENABLED", "ENABLING"}:
        hint = f"the stack says on: switch it on for {wanted!r}, so that DynamoDB deletes"
        return _row("TTL", "off: DynamoDB deletes nothing", hint if wanted else None)
    other = wanted is not None and attribute != wanted
    hint = f"the stack says {wanted!r}: see its drift" if other else ""
    return _row("TTL", f"on, by the attribute {attribute!r}", hint or None)


def _permission(one: probe.Probe, outcome: probe.Outcome) -> Row:
    name = f"dynamodb:{one.action.split(' ')[0]}"
    check = f"may {one.action}"
    if outcome.is_denied:
        hint = f"allow {name} for {one.needed_for}"
        return _row(check, "denied", hint, BAD if one.of_every_graph else NOTE)
    if outcome.is_unsupported:
        return _row(check, _UNSUPPORTED, f"leave {one.needed_for.removesuffix('=True')} off", NOTE)
    if outcome.error is not None and not _was_allowed(outcome):
        return _row(check, str(outcome.error), "try again", UNKNOWN)
    return _row(check, "allowed")


def _was_allowed(outcome: probe.Outcome) -> bool:
    """Whether DynamoDB refused the call for what it says, which it looks at later."""
    return outcome.error is not None and outcome.error.code == "ValidationException"


def _row(
    check: str, found: str | None, what_to_do: str | None = None, status: str | None = None
) -> Row:
    """A line of the report; it is a problem if there is something to do."""
    status = status or (BAD if what_to_do else GOOD)
    row = {"check": check, "status": status, "found": found, "what_to_do": what_to_do}
    return {name: text and in_options(text) for name, text in row.items()}
