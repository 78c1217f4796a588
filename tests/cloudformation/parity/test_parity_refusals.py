"""What CloudFormation refuses, `deploy=True` refuses, and the other way about."""

from __future__ import annotations

from collections.abc import Iterable

from langgraph_checkpoint_dynamodb import ConfigurationError
from langgraph_checkpoint_dynamodb.infra.template import resolve
from parity.edges import with_edges, with_pairs
from parity.mutants import Mutant
from parity.oracle import Oracle, Parameters
from parity.parameter_sets import DECLARED, config_of
from parity.rule_mutants import bounds_of, parameters_in, rules_of
from stacks import STACK_ONLY, TEMPLATE

NO_RESOURCES = {**TEMPLATE, "Resources": {}}
"""Policies need functions that the evaluator has not; parameters and rules do not need policies."""

EQUIVALENT = {
    # The pattern of a table's name says its length too.
    "Parameters.TableName.MaxLength: now 256",
    "Parameters.TableName.MaxLength: removed",
    # Either bound is refused for the other's sake, and one alone by another rule.
    *(f"Rules.OnDemandTakesNoCapacity.Assertions.{index}: removed" for index in (2, 3, 4, 5)),
}
"""Edits after which the same parameter sets are refused."""


def evaluator_refuses(parameters: Parameters) -> bool:
    try:
        resolve(NO_RESOURCES, parameters)
    except ConfigurationError:
        return True
    return False


def configuration_refuses(parameters: Parameters) -> bool:
    try:
        config_of(parameters)
    except ConfigurationError:
        return True
    return False


def only_a_configuration_refuses(parameters: Parameters) -> bool:
    """What the template's language cannot compare, and AWS refuses later or not at all."""
    if len(parameters.get("TtlAttribute", "").encode()) > 255:  # MaxLength counts characters
        return True
    for kind in ("Read", "Write"):
        low, units, high = (
            int(parameters.get(f"{bound}{kind}Capacity", 0)) for bound in ("Min", "", "Max")
        )
        if high and not low <= units <= high:
            return True
    high = int(parameters.get("MaxReadCapacity", 0))
    return bool(high) and int(parameters.get("IndexReadCapacity", 1)) > high


def of_the_table(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if name not in STACK_ONLY}


def test_refusals(oracle: Oracle) -> None:
    parameter_sets = [*with_edges([*DECLARED]), *with_pairs([*DECLARED])]
    refused = 0
    for parameters, answer in zip(parameter_sets, oracle.resolve(parameter_sets), strict=True):
        expected = answer.refused is not None
        assert evaluator_refuses(parameters) == expected, (parameters, answer)
        if not expected:
            expected = only_a_configuration_refuses(parameters)
        elif not evaluator_refuses(of_the_table(parameters)):
            continue  # a configuration cannot say it
        assert configuration_refuses(parameters) == expected, (parameters, answer)
        refused += expected
    assert 100 < refused < len(parameter_sets) - 100


def survivors(
    oracle: Oracle, mutants: Iterable[Mutant], parameter_sets: list[Parameters]
) -> set[str]:
    """The mutants that refuse the same sets as the shipped template."""
    expected = [*map(evaluator_refuses, parameter_sets)]
    found = set()
    for mutant in mutants:
        answers = oracle.resolve(parameter_sets, mutant.text)
        if [answer.refused is not None for answer in answers] == expected:
            found.add(mutant.name)
    return found


def test_every_edit_of_a_bound_or_a_rule_is_noticed(oracle: Oracle) -> None:
    found = set()
    for name in DECLARED:
        found |= survivors(oracle, bounds_of(TEMPLATE, name), [*with_edges([name])])
    for name, rule in TEMPLATE["Rules"].items():
        names = sorted(parameters_in(rule))
        parameter_sets = [*with_edges(names), *with_pairs(names)]
        found |= survivors(oracle, rules_of(TEMPLATE, name), parameter_sets)
    assert found == EQUIVALENT
