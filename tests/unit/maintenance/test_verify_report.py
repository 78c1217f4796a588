"""The report of `verify`, as it is printed."""

from __future__ import annotations

from langgraph_checkpoint_dynamodb import Problem, ProblemKind, VerifyReport


def test_threads_that_do_not_exist_are_named_beside_others() -> None:
    none, one = VerifyReport(missing=("typo",)), VerifyReport(threads=1)
    assert str(none) == "no thread 'typo' in the table"
    assert str(one + none).endswith("no problems\n  no thread 'typo' in the table")
    assert (one.ok, none.ok, (one + none).ok) == (True, False, False)


def test_the_report_in_words() -> None:
    clean = VerifyReport(threads=1, checkpoints=2, under_way=3)
    assert str(clean) == (
        "1 thread, 2 checkpoints, 0 writes, 0 chunks, 0 young, 0 expiring, 3 under way: no problems"
    )
    problem = Problem(ProblemKind.MISSING_CHUNK, "t", "", "1f0", "1 of 2 chunks")
    assert str(clean + VerifyReport(problems=(problem,))).endswith(
        "3 under way: 1 problem\n"
        "  missing-chunk: thread 't', namespace '', checkpoint '1f0': 1 of 2 chunks"
    )
