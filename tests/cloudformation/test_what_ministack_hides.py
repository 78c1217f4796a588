"""What ministack's stacks leave out, as `docs/infrastructure.md` lists it.

Each is proven otherwise: the requests of `tests/cloudformation/parity` say what has to be sent.
When ministack learns one of these, its test fails, and `test_platform_day.py` can show more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from clouds import Cloud, run_ministack
from stacks import TEMPLATE_FILE

UNSEEN = {
    "EnableTtl": "true",
    "EnablePointInTimeRecovery": "true",
    "TableClass": "STANDARD_INFREQUENT_ACCESS",
    "MaxReadRequestUnits": "17",
}
SCALED = {
    "BillingMode": "PROVISIONED",
    **{f"{kind}Capacity": "5" for kind in ("Read", "Write", "MinRead", "MaxRead")},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with run_ministack(tmp_path_factory.mktemp("ministack")) as found:
        yield found


def stack(cloud: Cloud, name: str, call: str = "create_stack", **parameters: str) -> None:
    getattr(cloud.client("cloudformation"), call)(
        StackName=name,
        TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )


def settings(cloud: Cloud, name: str) -> list[Any]:
    client = cloud.client("dynamodb")
    table = client.describe_table(TableName=name)["Table"]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return [
        client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"],
        backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        table.get("TableClassSummary"),
        table.get("OnDemandThroughput"),
        table.get("SSEDescription"),
    ]


def test_settings_of_a_table_are_ignored_at_its_creation_and_in_updates(cloud: Cloud) -> None:
    hidden = ["DISABLED", "DISABLED", None, None, None]
    stack(cloud, "plain", TableName="plain")
    assert settings(cloud, "plain") == hidden
    stack(cloud, "plain", "update_stack", TableName="plain", **UNSEEN)
    assert settings(cloud, "plain") == hidden


def test_a_stack_takes_over_a_table_that_is_there_and_loses_its_items(cloud: Cloud) -> None:
    """On AWS, the creation fails. `scripts/adopt_table.py` imports the table instead."""
    client = cloud.client("dynamodb")
    stack(cloud, "retained", TableName="retained")
    client.put_item(TableName="retained", Item={"PK": {"S": "a"}, "SK": {"S": "a"}})
    cloud.client("cloudformation").delete_stack(StackName="retained")
    assert client.scan(TableName="retained")["Count"] == 1
    stack(cloud, "again", TableName="retained")
    assert client.scan(TableName="retained")["Count"] == 0


def test_types_of_autoscaling_are_unknown(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Unrecognized resource types"):
        stack(cloud, "scaled", TableName="scaled", **SCALED)
