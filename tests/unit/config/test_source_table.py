"""`SourceTable`: a mistake raises where it is made."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from golden_table import GoldenTable
from langgraph_checkpoint_dynamodb import ConfigurationError, SourceTable
from langgraph_checkpoint_dynamodb.config.source_table import layout_of
from langgraph_checkpoint_dynamodb.format.requests import key
from migration_sources import LAYOUTS, Dump

AWS = "langgraph-checkpoint-aws"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "aws"}, "layout='aws': use one of 'langgraph-checkpoint-aws'"),
        ({"layout": []}, "layout=[]: use one of 'langgraph-checkpoint-aws'"),
        ({"layot": AWS}, "did you mean 'layout'"),
        *(
            ({"table_name": name}, f"table_name={name!r}: use a table's name")
            for name in ("", None, "ab", "my table", "chats\n", "\ud800", "arn:aws:s3:::chats")
        ),
        ({"bucket": 5}, "bucket=5: use a string"),
        ({"bucket": "b", "layout": "0.1.3"}, "stores nothing in S3: leave them out"),
        ({"key_prefix": "p"}, "key_prefix='p' without a bucket: pass both"),
        ({"ttl_attribute": ""}, "ttl_attribute='': use a string"),
        ({"serde": 5}, "serde is a int without loads_typed"),
        ({"serde": JsonPlusSerializer}, "serde is the class JsonPlusSerializer: pass an instance"),
        ({"buckets": "b"}, "did you mean 'bucket'"),
        ({"region_name": "eu-central-1"}, "DynamoDBConfig has it"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        SourceTable(**{"layout": AWS, "table_name": "chats", **arguments})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "name", ["a.B", "x" * 255, "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/chats"]
)
def test_a_table_has_a_name_or_an_arn(name: str) -> None:
    assert SourceTable(layout=AWS, table_name=name).table_name == name


def test_the_attribute_of_the_expiry_is_that_of_the_layout() -> None:
    def attribute(layout: str, **more: Any) -> str:
        return SourceTable(layout=layout, table_name="chats", **more).expiry_attribute

    assert attribute(AWS) == attribute("langgraph-dynamodb-checkpoint") == "ttl"
    assert attribute("0.1.3") == "expireAt"
    assert attribute("0.1.3", ttl_attribute="until") == "until"


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_keys_of_every_item_tell_who_wrote_it(name: str) -> None:
    found = {layout_of(key(item["PK"]["S"], item["SK"]["S"])) for item in Dump(name).items}
    assert found == {LAYOUTS[name]}


def test_other_items_are_of_no_other_saver() -> None:
    table = GoldenTable()
    config = {"configurable": {"thread_id": "CHECKPOINT_1", "checkpoint_ns": "a#write#b"}}
    table.saver().put(config, empty_checkpoint(), {}, {})
    keys = [*table.items, *(("t", one) for one in ("profile", "#meta", "~"))]
    assert {layout_of(key(*one)) for one in keys} == {None}
