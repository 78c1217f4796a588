"""`langgraph-dynamodb`, also as `python -m langgraph_checkpoint_dynamodb`.

The commands need the extra `cli`. Without it there is one of them: `template` prints the packaged
template.yaml.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper

from .errors import DEPLOY, DISTRIBUTION
from .infra.template import template_text

_EXTRA = ("typer", "rich", "shellingham", "click")
_NAME = "langgraph-dynamodb"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Output that cannot be written is a line on stderr, and exit code 1."""
    if not sys.stdout:
        sys.exit("Error: the output is closed")
    if isinstance(sys.stdout, TextIOWrapper):  # JSON is UTF-8; half a character is its escape
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        try:
            _run(arguments)
        finally:
            sys.stdout.flush()  # here, and not when Python ends: that is too late for an exit code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for that last flush
        if not isinstance(error, BrokenPipeError):  # the reader of a pipe has seen enough
            sys.stderr.write(f"Error: {error.filename or 'the output'}: {error.strerror}\n")
        sys.exit(1)


def _run(arguments: Sequence[str] | None) -> None:
    try:
        from .cli.main import app  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        _without_extra(arguments)
    else:
        app(arguments, prog_name=_NAME)


def _without_extra(arguments: Sequence[str] | None) -> None:
    install = f"pip install '{DISTRIBUTION}[cli]>=1.0', or in a clone pip install '.[cli]'"
    parser = argparse.ArgumentParser(
        prog=_NAME,
        description=f"The other commands need typer and rich: {install}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    )
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    commands.add_parser(
        "template",
        help=f"print template.yaml, for `{DEPLOY}`",
    )
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-") and given[0] != "template":
        parser.error(f"{given[0]!r} needs typer and rich: {install}")
    parser.parse_args(given)
    sys.stdout.write(template_text())


if __name__ == "__main__":
    main()
