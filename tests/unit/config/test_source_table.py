"""`SourceTable`: a mistake raises where it is made."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langgraph_checkpoint_dynamodb import ConfigurationError, SourceTable

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
