"""`deploy=True` sends what CloudFormation would send for the same parameters."""

from __future__ import annotations

from hypothesis import given, settings

from parity.cfn_to_api import NOT_DEPLOYED, Request, canonical, requests_of_stack, validate
from parity.deployed import deployed, without_mark
from parity.moto_runs import Account
from parity.oracle import Answer, Oracle, Parameters
from parity.parameter_sets import (
    FACTORS,
    accepted,
    config_of,
    every_combination,
    pairwise,
    stack_only,
)


def requests_of(answer: Answer, parameters: Parameters) -> list[Request]:
    assert answer.resources is not None, f"{parameters}: {answer.refused}"
    others = {
        logical_id
        for logical_id, resource in answer.resources.items()
        if resource["type"] in NOT_DEPLOYED
    }
    assert others == stack_only(parameters)
    return requests_of_stack(answer.resources)


def test_every_combination_comes_to_the_requests_of_a_stack(oracle: Oracle) -> None:
    parameter_sets = every_combination()
    seen: dict[str, Request] = {}
    for parameters, answer in zip(parameter_sets, oracle.resolve(parameter_sets), strict=True):
        expected = requests_of(answer, parameters)
        assert canonical(deployed(config_of(parameters))) == canonical(expected), parameters
        seen |= {request.canonical: request for request in expected}
    for request in seen.values():
        validate(request)


@settings(max_examples=60, deadline=None)
@given(parameters=accepted)
def test_any_number_and_name_comes_to_the_requests_of_a_stack(
    oracle: Oracle, parameters: Parameters
) -> None:
    (answer,) = oracle.resolve([parameters])
    expected = requests_of(answer, parameters)
    assert canonical(deployed(config_of(parameters))) == canonical(expected)
    for request in expected:
        validate(request)


def test_a_saver_sends_the_requests_and_makes_the_table_of_a_stack(oracle: Oracle) -> None:
    account = Account()
    parameter_sets = pairwise()
    for parameters, answer in zip(parameter_sets, oracle.resolve(parameter_sets), strict=True):
        expected = requests_of(answer, parameters)
        sent, table = account.deploy(config_of(parameters))
        sent = without_mark(sent)
        assert canonical(sent) == canonical(expected), parameters
        check_order(sent)
        assert table == account.replay(expected), parameters


def check_order(sent: list[Request]) -> None:
    """A table before its settings, and a scalable target before its policy."""
    assert sent[0].operation == "CreateTable"
    registered = set()
    for request in sent:
        dimension = tuple(request.params.get(name) for name in ("ResourceId", "ScalableDimension"))
        if request.operation == "RegisterScalableTarget":
            registered.add(dimension)
        if request.operation == "PutScalingPolicy":
            assert dimension in registered


def test_the_few_sets_hold_every_two_levels() -> None:
    few = pairwise()
    for first, levels in enumerate(FACTORS):
        for others in FACTORS[first + 1 :]:
            for level in levels:
                for other in others:
                    assert any((level | other).items() <= found.items() for found in few)
