"""IAM: what each method on data calls is what the documentation lists.

Every method is driven through all its variants with botocore's own events listening, and
must call exactly its row of the table in `docs/infrastructure.md`. `test_policies.py` compares
the other rows, and the policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MakeSaver

from langgraph_checkpoint_dynamodb.format.thread_entries import THREAD_INDEX
from permissions import documented
from scenarios import NOT_FOR_TENANTS, SCENARIOS, TENANT, Site


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio)])
def site(
    make_saver: MakeSaver,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    endpoint_url: str,
    s3_url: str,
) -> Site:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    return Site(make_saver, request.param)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_method_on_data_calls_what_is_documented(site: Site, name: str) -> None:
    await SCENARIOS[name](site)
    assert site.wire.actions == documented()[name]
    keys = {
        key
        for action, params in site.wire.requests
        if site.is_on_the_table(params)
        for key in leading_keys(action, params)
    }
    needs_no_tenant = "dynamodb:Scan" not in site.wire.actions and None not in keys
    assert needs_no_tenant == (name not in NOT_FOR_TENANTS)
    if needs_no_tenant:
        assert {str(key).partition(":")[0] for key in keys} == {TENANT}


def leading_keys(action: str, params: dict[str, Any]) -> Iterator[str | None]:
    """The partition keys that a request names; `None` for one of the run-id index."""
    match action.removeprefix("dynamodb:"):
        case "Query" if params.get("IndexName") == THREAD_INDEX:
            yield params["ExpressionAttributeValues"][":o"]["S"]
        case "Query" if "IndexName" in params:
            yield None
        case "Query":
            yield params["ExpressionAttributeValues"][":pk"]["S"]
        case "PutItem":
            yield params["Item"]["PK"]["S"]
        case "PartiQLInsert":
            for one in params["Statements"]:
                assert one["Statement"].partition("{")[2].startswith("'PK': ?")
                yield one["Parameters"][0]["S"]
        case "UpdateItem" | "DeleteItem":
            yield params["Key"]["PK"]["S"]
        case "BatchGetItem":
            (asked,) = params["RequestItems"].values()
            yield from (key["PK"]["S"] for key in asked["Keys"])
        case "BatchWriteItem":
            (asked,) = params["RequestItems"].values()
            for one in asked:
                named = one["PutRequest"]["Item"] if "PutRequest" in one else one["DeleteRequest"]
                yield named.get("Key", named)["PK"]["S"]
