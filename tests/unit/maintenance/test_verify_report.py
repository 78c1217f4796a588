"""The report of `verify`, as it is printed."""

from __future__ import annotations

from langgraph_checkpoint_dynamodb import Problem, ProblemKind, VerifyReport


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
