"""`SourceTable`: a mistake raises where it is made."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import ConfigurationError, SourceTable

AWS = "langgraph-checkpoint-aws"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "aws"}, "layout='aws': use one of 'langgraph-checkpoint-aws'"),
        ({"table_name": ""}, "table_name='': use a string of at least one character"),
        ({"table_name": None}, "table_name=None: use a string"),
        ({"bucket": 5}, "bucket=5: use a string"),
        ({"bucket": "b", "layout": "0.1.3"}, "stores nothing in S3: leave them out"),
        ({"key_prefix": "p"}, "key_prefix='p' without a bucket: pass both"),
        ({"ttl_attribute": ""}, "ttl_attribute='': use a string"),
        ({"serde": 5}, "serde is a int without loads_typed"),
        ({"buckets": "b"}, "did you mean 'bucket'"),
        ({"region_name": "eu-central-1"}, "DynamoDBConfig has it"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        SourceTable(**{"layout": AWS, "table_name": "chats", **arguments})
    assert message in str(raised.value)


def test_the_attribute_of_the_expiry_is_that_of_the_layout() -> None:
    def attribute(layout: str, **more: Any) -> str:
        return SourceTable(layout=layout, table_name="chats", **more).expiry_attribute

    assert attribute(AWS) == attribute("langgraph-dynamodb-checkpoint") == "ttl"
    assert attribute("0.1.3") == "expireAt"
    assert attribute("0.1.3", ttl_attribute="until") == "until"
