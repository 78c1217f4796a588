"""Finds a table by the CloudFormation stack that owns it.

`saver_config` is an operation (see `operation.py`): it reads the outputs that
`template.yaml` gives every stack and makes the saver's configuration of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config.table_config import DynamoDBTableConfig
from ..errors import ConfigurationError, StackError, StorageError
from ..runtime.effects import CLOUDFORMATION, Call, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.saver_config import DynamoDBConfig


TEMPLATE_MAJOR = 1
"""The major `TemplateVersion` whose outputs this module reads."""

_OUTPUTS = (
    *("TableName", "TableArn", "Region", "TtlAttribute", "TtlEnabled"),
    *("RunIndexEnabled", "TemplateVersion"),
)
_VERSION = re.compile(r"([0-9]+)\.[0-9]+\.[0-9]+")
_FLAGS = {"true": True, "false": False}
_CREATING = frozenset({"CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"})
_UNUSABLE = ("CREATE_FAILED", "ROLLBACK_", "DELETE_")
"""Starts of states without a table that could be relied on; `UPDATE_ROLLBACK_…` has one.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""


def saver_config(
    stack_name: str, config: DynamoDBConfig, ttl_seconds: int | None
) -> Operation[DynamoDBConfig]:
    """The configuration of a saver on a stack's table.

    A stack that is being updated is fine: its table serves all the while.

    Args:
        stack_name: Name or ARN of the stack.
        config: How to reach AWS; all but its table and, if it has none, its region is kept.
        ttl_seconds: How long a checkpoint lives; `None` for no expiry.

    Raises:
        ConfigurationError: `ttl_seconds` on a stack without TTL.
        StackError: The stack is missing, not ready, or not of this template.
        StorageError: CloudFormation could not answer.
    """
    found = yield from _describe(stack_name)
    what = _what(stack_name, found)
    _check_status(found["StackStatus"], what)
    outputs = _outputs(found, what)
    enable_ttl = _flag(outputs, "TtlEnabled", what)
    if ttl_seconds is not None and not enable_ttl:
        raise ConfigurationError(
            f"ttl_seconds={ttl_seconds}: {what} has TTL off, so DynamoDB would never delete the "
            "expired items; update the stack with EnableTtl=true or leave ttl_seconds out"
        )
    table = DynamoDBTableConfig(
        table_name=outputs["TableName"],
        enable_ttl=enable_ttl,
        ttl_attribute=outputs["TtlAttribute"],
        ttl_seconds=ttl_seconds,
        enable_run_index=_flag(outputs, "RunIndexEnabled", what),
    )
    region = config.region_name or outputs["Region"]
    return replace(config, table_config=table, region_name=region)


def _describe(stack_name: str) -> Operation[dict[str, Any]]:
    call = Call("describe_stacks", {"StackName": stack_name}, CLOUDFORMATION)
    try:
        (reply,) = yield [call]
    except StorageError as error:
        # CloudFormation has no code of its own for a stack that it does not know.
        if error.code != "ValidationError" or "does not exist" not in str(error):
            raise
        raise StackError(
            f"{error}. Check the name, the account and the region (region_name of DynamoDBConfig), "
            "or make the stack: aws cloudformation deploy --template-file template.yaml"
        ) from error
    stack: dict[str, Any] = reply["Stacks"][0]
    return stack


def _what(stack_name: str, stack: Mapping[str, Any]) -> str:
    # arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
    region = (str(stack.get("StackId", "")).split(":") + [""] * 4)[3] or "unknown"
    return f"stack {stack_name!r} in region {region} ({stack['StackStatus']})"


def _check_status(status: str, what: str) -> None:
    if status in _CREATING:
        raise StackError(
            f"{what} is still being created: wait for it (aws cloudformation wait "
            "stack-create-complete), then call again; a change set in review has to be executed"
        )
    if status.startswith(_UNUSABLE):
        raise StackError(
            f"{what} has failed or is deleted: look at its events (aws cloudformation "
            "describe-stack-events), delete it and deploy template.yaml anew. A table that it left "
            "behind keeps its data: name it in DynamoDBTableConfig, or import it into a new stack"
        )


def _outputs(stack: Mapping[str, Any], what: str) -> dict[str, str]:
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    version = outputs.get("TemplateVersion", "")
    parts = _VERSION.fullmatch(version)
    # Before the missing outputs: another version may have other ones.
    if parts and int(parts[1]) > TEMPLATE_MAJOR:
        raise StackError(
            f"{what} has TemplateVersion {version}, and this release knows {TEMPLATE_MAJOR}.x: "
            "upgrade langgraph-checkpoint-amazon-dynamodb"
        )
    missing = [name for name in _OUTPUTS if not outputs.get(name)]
    if missing:
        raise _not_ours(what, f"its outputs lack {', '.join(missing)}")
    if parts is None:
        raise _not_ours(what, f"its output TemplateVersion={version!r} is no version")
    return outputs


def _flag(outputs: Mapping[str, str], name: str, what: str) -> bool:
    value = outputs[name]
    if value not in _FLAGS:
        raise _not_ours(what, f"its output {name}={value!r} is not 'true' or 'false'")
    return _FLAGS[value]


def _not_ours(what: str, why: str) -> StackError:
    return StackError(
        f"{what} is not one of this package's template.yaml, or of an older one: {why}. Name "
        "another stack, or update it with the template"
    )
