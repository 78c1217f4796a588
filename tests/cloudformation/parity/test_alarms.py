"""The alarms of a stack: what they measure, and against what, for every way to give capacities."""

from __future__ import annotations

from typing import Any

import pytest

from parity.oracle import Oracle
from parity.parameter_sets import stack_only
from permissions import documented
from stacks import TOPIC

ON = {
    "TableName": "chats",
    "AlarmTopicArn": TOPIC,
    "EnableRunIndex": "true",
}
MAXIMA = {"MaxReadRequestUnits": "17", "MaxWriteRequestUnits": "19"}
PROVISIONED = {"BillingMode": "PROVISIONED", "ReadCapacity": "5", "WriteCapacity": "7"}
SCALED = {
    **PROVISIONED,
    "MinReadCapacity": "1",
    "MaxReadCapacity": "50",
    "MinWriteCapacity": "1",
    "MaxWriteCapacity": "70",
}
OF_THE_TABLE = [{"Name": "TableName", "Value": "chats"}]


def alarms(oracle: Oracle, parameters: dict[str, str]) -> dict[str, dict[str, Any]]:
    (answer,) = oracle.resolve([ON | parameters])
    assert answer.resources is not None, answer.refused
    return {
        name: resource["properties"]
        for name, resource in answer.resources.items()
        if resource["type"] == "AWS::CloudWatch::Alarm"
    }


@pytest.mark.parametrize(
    ("parameters", "read", "write"),
    [(MAXIMA, "17", "19"), (PROVISIONED, "5", "7"), (SCALED, "50", "70")],
)
def test_consumption_is_measured_against_the_maximum(
    oracle: Oracle, parameters: dict[str, str], read: str, write: str
) -> None:
    found = alarms(oracle, parameters)
    for kind, maximum in (("Read", read), ("Write", write)):
        alarm = found[f"{kind}UseAlarm"]
        percent, consumed = alarm["Metrics"]
        assert percent["Expression"] == f"100 * consumed / PERIOD(consumed) / {maximum}"
        assert consumed["MetricStat"]["Metric"] == {
            "Namespace": "AWS/DynamoDB",
            "MetricName": f"Consumed{kind}CapacityUnits",
            "Dimensions": OF_THE_TABLE,
        }
        assert str(alarm["Threshold"]) == "80"


def test_throttles_are_counted_of_the_table_and_the_index(oracle: Oracle) -> None:
    found = alarms(oracle, {"AlarmThrottledRequests": "3", "AlarmUtilization": "55"} | MAXIMA)

    for kind in ("Read", "Write"):
        alarm = found[f"{kind}ThrottleAlarm"]
        assert alarm["MetricName"] == f"{kind}ThrottleEvents"
        assert alarm["Dimensions"] == OF_THE_TABLE
        assert str(alarm["Threshold"]) == "3"
    for name, index in (("Run", "run-id"), ("Thread", "threads")):
        alarm = found[f"{name}IndexThrottleAlarm"]
        total, *metrics = alarm["Metrics"]
        assert total["Expression"] == "SUM([FILL(reads, 0), FILL(writes, 0)])"
        assert [(one["Id"], one["MetricStat"]["Metric"]) for one in metrics] == [
            (
                f"{kind.lower()}s",
                {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": f"{kind}ThrottleEvents",
                    "Dimensions": [
                        *OF_THE_TABLE,
                        {"Name": "GlobalSecondaryIndexName", "Value": index},
                    ],
                },
            )
            for kind in ("Read", "Write")
        ]
        assert str(alarm["Threshold"]) == "3"
    assert str(found["ReadUseAlarm"]["Threshold"]) == "55"


def test_errors_of_dynamodb_are_counted_of_the_operations_of_a_graph(oracle: Oracle) -> None:
    total, *metrics = alarms(oracle, {})["SystemErrorAlarm"]["Metrics"]
    measured = [one["MetricStat"]["Metric"] for one in metrics]
    assert {metric["MetricName"] for metric in measured} == {"SystemErrors"}
    actions = documented()
    called = actions["`get_tuple`"] | actions["`put`"] | actions["`put_writes`"]
    assert [metric["Dimensions"][0] for metric in measured] == OF_THE_TABLE * len(called)
    assert {f"dynamodb:{metric['Dimensions'][1]['Value']}" for metric in measured} == called
    filled = ", ".join(f"FILL({one['Id']}, 0)" for one in metrics)
    assert total["Expression"] == f"SUM([{filled}])"


def test_every_alarm_goes_to_the_topic_and_is_quiet_without_data(oracle: Oracle) -> None:
    found = alarms(oracle, SCALED)
    assert found.keys() == stack_only(ON | SCALED)
    for alarm in found.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert 1 <= int(alarm["DatapointsToAlarm"]) <= int(alarm["EvaluationPeriods"]) == 5
