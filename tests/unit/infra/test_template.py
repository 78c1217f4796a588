"""The shipped `template.yaml`, and the parameters made from a configuration."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from cfnlint.helpers import REGIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_checkpoint_dynamodb.config import table_config
from langgraph_checkpoint_dynamodb.config.table_config import (
    RESERVED_ATTRIBUTES,
    BillingMode,
    DynamoDBTableConfig,
    TableClass,
)
from langgraph_checkpoint_dynamodb.errors import ConfigurationError, TemplateError
from langgraph_checkpoint_dynamodb.format.requests import RUN_INDEX
from langgraph_checkpoint_dynamodb.format.thread_entries import THREAD_INDEX
from langgraph_checkpoint_dynamodb.infra import template as template_module
from langgraph_checkpoint_dynamodb.infra.template import (
    SETTINGS,
    parameters_of,
    resolve,
    template_text,
)
from stacks import KMS_KEY, STACK_ONLY, TEMPLATE, TEMPLATE_FILE, configs, table_of

PARAMETERS = TEMPLATE["Parameters"]


def test_the_linter_has_no_finding() -> None:
    everywhere = ManualArgs(include_checks=["I"], regions=REGIONS)
    assert lint_file(TEMPLATE_FILE, everywhere) == []


def test_the_shipped_template_is_the_top_level_file() -> None:
    assert template_text() == TEMPLATE_FILE.read_text(encoding="utf-8")


def test_the_packaged_copy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "template.yaml").write_text("packaged", encoding="utf-8")
    monkeypatch.setattr(template_module.resources, "files", lambda _: tmp_path)
    assert template_text() == "packaged"


def test_a_missing_template_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(template_module, "__file__", str(tmp_path / "a" / "b" / "template.py"))
    with pytest.raises(TemplateError, match=r"template\.yaml is missing"):
        template_text()


def test_every_parameter_is_a_setting() -> None:
    assert SETTINGS.keys() | STACK_ONLY == PARAMETERS.keys()
    settings = {field.name for field in fields(DynamoDBTableConfig)}
    assert {*SETTINGS.values()} | {"ttl_seconds"} == settings
    assert len({*SETTINGS.values()}) == len(SETTINGS)


def test_defaults_are_those_of_the_configuration() -> None:
    """`None` is 0 or nothing in the template."""
    defaults = {name: str(parameter["Default"]) for name, parameter in PARAMETERS.items()}
    assert [defaults.pop(name) for name in ("CreatePolicies", "AlarmTopicArn")] == ["false", ""]
    defaults = {name: value for name, value in defaults.items() if name not in STACK_ONLY}
    # A stack keeps backups unless it is told otherwise; deploy=True is for development too.
    assert defaults["EnablePointInTimeRecovery"] == "true"
    stated = parameters_of(DynamoDBTableConfig(enable_point_in_time_recovery=True))
    unstated = {name: default for name, default in defaults.items() if name not in stated}
    assert stated == {name: default for name, default in defaults.items() if name in stated}
    assert set(unstated.values()) == {"0", ""}
    unset = {field.name for field in fields(DynamoDBTableConfig) if field.default is None}
    assert {SETTINGS[name] for name in unstated} == unset - {"ttl_seconds"}


def test_parameters_leave_nothing_to_the_defaults_but_what_is_none() -> None:
    for config in configs():
        assert parameters_of(config).keys() == {
            name for name, setting in SETTINGS.items() if getattr(config, setting) is not None
        }


CHOICES: dict[str, type[Enum] | type[bool]] = {
    **{name: bool for name in PARAMETERS if name.startswith(("Enable", "Create"))},
    "BillingMode": BillingMode,
    "TableClass": TableClass,
}
NUMBERS = {
    name: found
    for name, found in PARAMETERS.items()
    if found["Type"] == "Number" and name in SETTINGS
}
PROVISIONED = {"billing_mode": "PROVISIONED", "read_capacity": 1, "write_capacity": 1}


def test_choices_are_those_of_the_configuration() -> None:
    allowed = {
        name: found["AllowedValues"] for name, found in PARAMETERS.items() if name in CHOICES
    }
    assert allowed == {
        name: ["true", "false"] if kind is bool else [str(member.value) for member in kind]
        for name, kind in CHOICES.items()
    }


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_the_bounds_of_the_configuration(name: str) -> None:
    setting, bounds = SETTINGS[name], NUMBERS[name]
    is_optional = getattr(DynamoDBTableConfig(), setting) is None  # 0 of the template
    least = 1 if is_optional else bounds["MinValue"]
    assert bounds["Default"] == 0 or bounds["Default"] in range(least, bounds["MaxValue"] + 1)
    mode: dict[str, Any] = {} if "Units" in name else dict(PROVISIONED)
    for value in (least, bounds["MaxValue"]):
        given = {**mode, setting: value}
        if setting.startswith(("min_", "max_")) and "capacity" in setting:
            other = setting.replace("min_", "max_") if "min_" in setting else f"min_{setting[4:]}"
            given |= {other: value, setting[4:]: value}
        DynamoDBTableConfig(**given)
        resolve(TEMPLATE, parameters_of(DynamoDBTableConfig(**given)))
    for value in (least - 1, bounds["MaxValue"] + 1):
        with pytest.raises(ConfigurationError, match=f"{setting}={value}: use"):
            DynamoDBTableConfig(**{**mode, setting: value})
    for value in (bounds["MinValue"] - 1, bounds["MaxValue"] + 1):
        with pytest.raises(ConfigurationError, match=f"{name}='{value}': use"):
            resolve(TEMPLATE, {name: str(value)})


def test_texts_have_the_bounds_of_the_configuration() -> None:
    """The template's pattern also takes nothing, where the configuration has `None`."""
    texts = SETTINGS.keys() - CHOICES.keys() - NUMBERS.keys()
    assert texts == {"TableName", "Environment", "KmsKeyArn", "TtlAttribute"}
    pattern = {name: PARAMETERS[name].get("AllowedPattern") for name in texts}
    assert pattern == {
        "TableName": f"^({table_config.TABLE_NAME})?$",
        "Environment": f"^{table_config._TAG_VALUE.pattern.replace('{1,256}', '*')}$",
        "KmsKeyArn": f"^({table_config._KMS_KEY.pattern})?$",
        "TtlAttribute": None,
    }
    lengths = {name: PARAMETERS[name]["MaxLength"] for name in texts}
    assert lengths == {
        "TableName": 255,
        "Environment": 256,
        "KmsKeyArn": table_config._MAX_KMS_KEY,
        "TtlAttribute": table_config._MAX_ATTRIBUTE_NAME_BYTES,
    }
    (assertion,) = TEMPLATE["Rules"]["TtlAttributeIsFree"]["Assertions"]
    (contains,) = assertion["Assert"]["Fn::Not"]
    assert set(contains["Fn::Contains"][0]) == RESERVED_ATTRIBUTES


def test_every_parameter_is_bounded_described_and_grouped() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(TEMPLATE["Parameters"])
    bounds = {"AllowedValues", "MaxLength", "MaxValue"}
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert bounds & parameter.keys(), name
    assert all(name.startswith("Has") for name in TEMPLATE["Conditions"])


def test_no_stack_operation_deletes_the_table() -> None:
    table = TEMPLATE["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )


DEFAULTS = {
    "TableClass": "STANDARD",
    "EnableRunIndex": "false",
    "EnableThreadIndex": "true",
    "TargetUtilization": "70",
    "ScaleInCooldown": "0",
    "ScaleOutCooldown": "0",
    "WarmReadUnits": "12000",
    "WarmWriteUnits": "4000",
    "IndexReadCapacity": "1",
    "PointInTimeRecoveryDays": "35",
    "EnableDeletionProtection": "false",
}


def test_parameters_of_a_provisioned_table() -> None:
    config = DynamoDBTableConfig(
        table_name="chats",
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=3,
        write_capacity=4,
        enable_encryption=False,
        enable_point_in_time_recovery=True,
        enable_ttl=True,
        ttl_attribute="expires",
    )
    assert parameters_of(config) == {
        "TableName": "chats",
        "BillingMode": "PROVISIONED",
        "ReadCapacity": "3",
        "WriteCapacity": "4",
        "EnableEncryption": "false",
        "EnablePointInTimeRecovery": "true",
        "EnableTtl": "true",
        "TtlAttribute": "expires",
        **DEFAULTS,
    }


def test_the_indexes_are_those_that_are_queried() -> None:
    both = {"EnableRunIndex": "true", "EnableThreadIndex": "true"}
    for switched_on, names in (
        ({}, []),
        ({"EnableRunIndex": "true"}, [RUN_INDEX]),
        ({"EnableThreadIndex": "true"}, [THREAD_INDEX]),
        (both, [RUN_INDEX, THREAD_INDEX]),
    ):
        table = table_of({"EnableThreadIndex": "false", **switched_on})
        indexes = table.get("GlobalSecondaryIndexes", [])
        assert [index["IndexName"] for index in indexes] == names
        assert ("GlobalSecondaryIndexes" in table) == bool(names)


def test_a_table_that_cloudformation_names() -> None:
    assert "TableName" not in table_of({"TableName": ""})
    scaled = parameters_of(configs()[-1]) | {"MaxReadCapacity": "9", "MinReadCapacity": "1"}
    with pytest.raises(TemplateError, match="'Table', whose name CloudFormation would generate"):
        resolve(TEMPLATE, {**scaled, "TableName": ""})


def test_the_policies_are_cloudformation_s_alone() -> None:
    with pytest.raises(TemplateError, match=r"Fn::GetAtt.*with CloudFormation"):
        resolve(TEMPLATE, {"CreatePolicies": "true"})


units = st.none() | st.integers(1, 10_000_000)
bounds = st.none() | st.tuples(st.integers(1, 10_000_000), st.integers(1, 10_000_000))


@st.composite
def modes(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {f"max_{kind}_request_units": draw(units) for kind in ("read", "write")}
    mode: dict[str, Any] = {
        "billing_mode": "PROVISIONED",
        "target_utilization": draw(st.integers(20, 90)),
    }
    for kind in ("read", "write"):
        mode[f"{kind}_capacity"] = draw(st.integers(1, 10_000_000))
        if given := draw(bounds):
            low, high = sorted(given)
            mode |= {f"min_{kind}_capacity": low, f"max_{kind}_capacity": high}
            mode[f"{kind}_capacity"] = draw(st.integers(low, high))
    return mode


@settings(deadline=None)
@given(
    name=st.from_regex(table_config.TABLE_NAME, fullmatch=True),
    environment=st.none() | st.from_regex(table_config._TAG_VALUE, fullmatch=True),
    attribute=st.text(min_size=1, max_size=63).filter(lambda text: text not in RESERVED_ATTRIBUTES),
    encryption=st.booleans() | st.just(KMS_KEY),
    days=st.integers(1, 35),
    mode=modes(),
    switches=st.tuples(*[st.booleans()] * 4),
)
def test_the_template_takes_every_configuration(
    name: str,
    environment: str | None,
    attribute: str,
    encryption: bool | str,
    days: int,
    mode: dict[str, Any],
    switches: tuple[bool, ...],
) -> None:
    recovery, ttl, protection, index = switches
    config = DynamoDBTableConfig(
        table_name=name,
        environment=environment,
        ttl_attribute=attribute,
        enable_encryption=bool(encryption),
        kms_key_arn=encryption if isinstance(encryption, str) else None,
        enable_point_in_time_recovery=recovery,
        point_in_time_recovery_days=days,
        enable_ttl=ttl,
        enable_deletion_protection=protection,
        enable_run_index=index,
        **mode,
    )
    properties = table_of(parameters_of(config))
    assert properties["TableName"] == name
    assert properties["TimeToLiveSpecification"] == {"AttributeName": attribute, "Enabled": ttl}
