"""Runs on moto: what a saver really asks, and the table that a list of requests makes."""

from __future__ import annotations

import functools
from typing import Any

import boto3
from botocore import xform_name
from moto import mock_aws

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from parity.cfn_to_api import Request
from parity.oracle import REGION
from parity.parameter_sets import KEY_ARN

_READING = ("Describe", "List", "Get")


class Account:
    """One moto account after another, with one boto3 session, whose models load but once."""

    def __init__(self) -> None:
        self.session = boto3.Session(
            region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        self._recorded: list[Request] = []
        # A client sends to the account that is there when it calls.
        self._client = functools.cache(self.session.client)
        self.session.events.register("provide-client-params.*.*", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if not model.name.startswith(_READING):
            service = model.service_model.service_name
            self._recorded.append(Request(service, model.name, dict(params)))

    def deploy(self, config: DynamoDBTableConfig) -> tuple[list[Request], dict[str, Any]]:
        """Let a saver deploy; its changing requests, and what then stands."""
        with mock_aws():
            self._recorded = []
            with DynamoDBSaver(
                DynamoDBConfig(table_config=config, session=self.session), deploy=True
            ):
                requests, self._recorded = self._recorded, []
                return requests, self._described(config.table_name)

    def replay(self, requests: list[Request]) -> dict[str, Any]:
        """Send the requests of a stack; what then stands."""
        with mock_aws():
            for request in requests:
                client = self._client(request.service)
                getattr(client, xform_name(request.operation))(**request.params)
            return self._described(requests[0].params["TableName"])

    def _described(self, table_name: str) -> dict[str, Any]:
        client = self._client("dynamodb")
        scaling = self._client("application-autoscaling")
        table = client.describe_table(TableName=table_name)["Table"]
        replies = {
            "table": table,
            "ttl": client.describe_time_to_live(TableName=table_name),
            "backups": client.describe_continuous_backups(TableName=table_name),
            "tags": client.list_tags_of_resource(ResourceArn=table["TableArn"]),
            "targets": scaling.describe_scalable_targets(ServiceNamespace="dynamodb"),
            "policies": scaling.describe_scaling_policies(ServiceNamespace="dynamodb"),
        }
        return {name: _settled(reply) for name, reply in replies.items()}


_OF_THE_MOMENT = frozenset(
    {
        "ResponseMetadata",
        "TableId",
        "CreationDateTime",
        "CreationTime",
        "EarliestRestorableDateTime",
        "LatestRestorableDateTime",
        "LastUpdateToPayPerRequestDateTime",
        "PolicyARN",
        "ScalableTargetARN",
        "AlarmARN",
        "AlarmName",
    }
)
"""Times and drawn names, which two tables never share."""


def _settled(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _settled(child)
            for key, child in node.items()
            # The AWS managed key is drawn too; the customer's is the one that was asked for.
            if key not in _OF_THE_MOMENT and (key != "KMSMasterKeyArn" or child == KEY_ARN)
        }
    if isinstance(node, list):
        return sorted(map(_settled, node), key=repr)
    return node
