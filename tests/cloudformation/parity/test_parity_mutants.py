"""The comparison is worth something: it notices every small edit of the template."""

from __future__ import annotations

from parity.cfn_to_api import NOT_DEPLOYED, canonical, requests_of_stack
from parity.deployed import deployed
from parity.mutants import mutants_of
from parity.oracle import Answer, Oracle
from parity.parameter_sets import config_of, every_combination, pairwise, stack_only
from stacks import TEMPLATE

EQUIVALENT = {
    # A new table has both off, and CloudFormation asks only to switch them on. The template
    # says off all the same, for stack updates.
    "Resources.Table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"
    ".Fn::If.2: nothing",
    "Resources.Table.Properties.TimeToLiveSpecification.Enabled.Fn::If.2: nothing",
    # Without point-in-time recovery nothing is asked, so its period is not either.
    "Resources.Table.Properties.PointInTimeRecoverySpecification.RecoveryPeriodInDays: always",
    # Without the index by run id, an index is that of threads.
    "Resources.Table.Properties.AttributeDefinitions.Fn::If.2.Fn::If.0: now HasIndex",
    # Rules refuse bounds of autoscaling without PROVISIONED, and one bound without the other.
    "Conditions.HasReadScaling: only operand 1",
    "Conditions.HasReadScaling.Fn::And.1.Fn::Not.0.Fn::Equals.0: now MinReadCapacity",
    "Conditions.HasWriteScaling: only operand 1",
    "Conditions.HasWriteScaling.Fn::And.1.Fn::Not.0.Fn::Equals.0: now MinWriteCapacity",
}
"""Edits that no parameter set can tell from the template by the requests for a new stack."""


def signature(answer: Answer) -> object:
    """All that the comparison looks at; a refusal, or what has no request, is none of ours."""
    if answer.resources is None:
        return answer.refused
    try:
        requests = canonical(requests_of_stack(answer.resources))
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        return repr(error)
    found = answer.resources.items()
    return requests, sorted(name for name, one in found if one["type"] in NOT_DEPLOYED)


def test_every_edit_of_the_template_is_noticed(oracle: Oracle) -> None:
    parameter_sets = [*pairwise(), *every_combination()[::47]]
    expected = [
        (canonical(deployed(config_of(parameters))), sorted(stack_only(parameters)))
        for parameters in parameter_sets
    ]

    # What one edit is noticed by is the first that the next is tried with: mostly it is enough.
    order = [*range(len(parameter_sets))]

    def is_noticed(text: str) -> bool:
        start, size = 0, 2
        while start < len(order):
            asked = order[start : start + size]
            answers = oracle.resolve([parameter_sets[index] for index in asked], text)
            for index, answer in zip(asked, answers, strict=True):
                if signature(answer) != expected[index]:
                    order.remove(index)
                    order.insert(0, index)
                    return True
            start, size = start + size, 2 * size
        return False

    mutants = list(mutants_of(TEMPLATE))
    survivors = {mutant.name for mutant in mutants if not is_noticed(mutant.text)}
    assert survivors == EQUIVALENT
    assert len(mutants) > 1000
