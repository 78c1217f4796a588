"""Our part in the comparison: the requests of `deploy=True`."""

from __future__ import annotations

import functools

from botocore import xform_name

from langgraph_checkpoint_dynamodb import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.infra.api_calls import requests_of
from langgraph_checkpoint_dynamodb.infra.deploy import UNFINISHED
from parity.cfn_to_api import Request, service_model


def deployed(config: DynamoDBTableConfig) -> list[Request]:
    """The requests that a configuration comes to, before any is sent."""
    found = requests_of(config)
    return [
        Request(call.service, _operation(call.service, call.method), call.params)
        for call in (found.create_table, *found.settings)
    ]


@functools.cache
def _operation(service: str, method: str) -> str:
    (name,) = (
        name for name in service_model(service).operation_names if xform_name(name) == method
    )
    return name


def without_mark(sent: list[Request]) -> list[Request]:
    """The requests less the tag that `deploy` puts on a table while it is unfinished.

    It is the one thing that `deploy=True` sends and a stack does not: a stack knows by itself
    which of its resources are still to be made.
    """
    create, *rest = sent
    mark = {"Key": UNFINISHED, "Value": "true"}
    tags = list(create.params.get("Tags", []))
    if mark not in tags:
        assert "UntagResource" not in {request.operation for request in rest}
        return sent
    *settings, last = rest
    assert last.operation == "UntagResource"
    assert last.params["TagKeys"] == [UNFINISHED]
    assert last.params["ResourceArn"].endswith(f":table/{create.params['TableName']}")
    tags.remove(mark)
    params = {name: value for name, value in create.params.items() if name != "Tags"}
    if tags:
        params["Tags"] = tags
    return [Request(create.service, create.operation, params), *settings]
