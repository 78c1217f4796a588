"""`python -m langgraph_checkpoint_dynamodb template` prints the packaged template.yaml."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .infra.template import template_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the template goes to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m langgraph_checkpoint_dynamodb",
        description="The DynamoDB table of langgraph-checkpoint-amazon-dynamodb.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser(
        "template",
        help="print template.yaml, for `aws cloudformation deploy --template-file`",
    )
    parser.parse_args(arguments)
    sys.stdout.write(template_text())


if __name__ == "__main__":
    main()
