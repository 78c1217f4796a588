"""The shipped `template.yaml`, and the parameters made from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from cfnlint.helpers import REGIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_checkpoint_dynamodb import template as template_module
from langgraph_checkpoint_dynamodb.config import (
    RESERVED_ATTRIBUTES,
    BillingMode,
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.errors import ConfigurationError, TemplateError
from langgraph_checkpoint_dynamodb.template import (
    parameters_of,
    resolve,
    template_text,
)
from stacks import TEMPLATE, TEMPLATE_FILE, table_of


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


def test_defaults_are_those_of_the_configuration() -> None:
    declared = TEMPLATE["Parameters"]
    defaults = {name: str(parameter["Default"]) for name, parameter in declared.items()}
    assert defaults == parameters_of(DynamoDBTableConfig())


def test_bounds_are_those_of_the_configuration() -> None:
    parameters = TEMPLATE["Parameters"]
    assert parameters["BillingMode"]["AllowedValues"] == [mode.value for mode in BillingMode]
    (assertion,) = TEMPLATE["Rules"]["TtlAttributeIsFree"]["Assertions"]
    (contains,) = assertion["Assert"]["Fn::Not"]
    assert set(contains["Fn::Contains"][0]) == RESERVED_ATTRIBUTES


def test_every_parameter_is_bounded_described_and_grouped() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(TEMPLATE["Parameters"])
    assert list(interface["ParameterLabels"]) == grouped
    bounds = {"AllowedValues", "MaxLength", "MaxValue"}
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert bounds & parameter.keys(), name
    assert all(name.startswith("Has") for name in TEMPLATE["Conditions"])


def test_no_stack_operation_deletes_the_table() -> None:
    table = TEMPLATE["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


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
    }


def test_every_parameter_has_a_field_in_the_configuration() -> None:
    assert parameters_of(DynamoDBTableConfig()).keys() == TEMPLATE["Parameters"].keys()


units = st.integers(1, 10_000_000)


@settings(deadline=None)
@given(
    name=st.from_regex(r"[a-zA-Z0-9_.-]{3,255}", fullmatch=True),
    attribute=st.text(min_size=1, max_size=63).filter(lambda text: text not in RESERVED_ATTRIBUTES),
    capacities=st.none() | st.tuples(units, units),
    switches=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_template_takes_every_configuration(
    name: str,
    attribute: str,
    capacities: tuple[int, int] | None,
    switches: tuple[bool, bool, bool],
) -> None:
    mode: dict[str, Any] = {}
    if capacities:
        read, write = capacities
        mode = {"billing_mode": "PROVISIONED", "read_capacity": read, "write_capacity": write}
    encryption, recovery, ttl = switches
    config = DynamoDBTableConfig(
        table_name=name,
        ttl_attribute=attribute,
        enable_encryption=encryption,
        enable_point_in_time_recovery=recovery,
        enable_ttl=ttl,
        **mode,
    )
    properties = table_of(parameters_of(config))
    assert properties["TableName"] == name
    assert properties["TimeToLiveSpecification"] == {"AttributeName": attribute, "Enabled": ttl}


def test_capacities_beyond_the_template_are_refused_by_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="read_capacity=10000001: use at most 10000000"):
        DynamoDBTableConfig(billing_mode="PROVISIONED", read_capacity=10_000_001, write_capacity=1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"TableName": "ab"}, "TableName='ab': use 3 to 255 characters"),
        ({"TableName": "a" * 256}, "use 3 to 255 characters"),
        ({"TableName": "a/b/c"}, "TableName='a/b/c': it has to match"),
        ({"BillingMode": "FREE"}, "BillingMode='FREE': use one of PAY_PER_REQUEST, PROVISIONED"),
        ({"EnableTtl": "yes"}, "EnableTtl='yes': use one of true, false"),
        ({"ReadCapacity": "many"}, "ReadCapacity='many': use a number"),
        ({"ReadCapacity": "-1"}, "ReadCapacity='-1': use 0 to 10000000"),
        ({"WriteCapacity": "10000001"}, "use 0 to 10000000"),
        ({"TtlAttribute": ""}, "TtlAttribute='': use 1 to 255 characters"),
        ({"Nmae": "x"}, "unknown template parameters Nmae: use TableName, "),
        (
            {"BillingMode": "PROVISIONED", "WriteCapacity": "1"},
            "ReadCapacity='0': BillingMode PROVISIONED needs ReadCapacity",
        ),
        (
            {"BillingMode": "PROVISIONED", "ReadCapacity": "1"},
            "WriteCapacity='0': BillingMode PROVISIONED needs WriteCapacity",
        ),
        ({"ReadCapacity": "1"}, "ReadCapacity='1': ReadCapacity belongs to BillingMode PROV"),
        ({"WriteCapacity": "1"}, "WriteCapacity='1': WriteCapacity belongs to BillingMode PROV"),
        ({"TtlAttribute": "SK"}, "TtlAttribute='SK': TtlAttribute is an attribute that the saver"),
    ],
)
def test_the_template_refuses(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(TEMPLATE, parameters)
