"""Write the tables of docs/infrastructure.md that template.yaml already says.

`document_parameters.py` fails if they are not as they should be; `--write` makes them so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from template_updates import updates

from langgraph_checkpoint_dynamodb.infra.template import SETTINGS, load_template

PAGE = Path(__file__).parents[1] / "docs" / "infrastructure.md"
_SWITCH = ["true", "false"]


def parameters(template: Mapping[str, Any]) -> Iterator[str]:
    """The rows of all parameters, by the groups of CloudFormation's console."""
    yield "| parameter | setting | type | default | allowed | |"
    yield "|---|---|---|---|---|---|"
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    for group in interface["ParameterGroups"]:
        for name in group["Parameters"]:
            rules = template["Parameters"][name]
            setting = f"`{SETTINGS[name]}`" if name in SETTINGS else "none"
            default = f"`{rules['Default']}`" if rules["Default"] != "" else "empty"
            cells = (f"`{name}`", setting, rules["Type"], default, _allowed(rules))
            yield f"| {' | '.join(cells)} | {rules['Description'].strip()} |"


def _allowed(rules: Mapping[str, Any]) -> str:
    if "AllowedValues" in rules:
        return ", ".join(f"`{value}`" for value in rules["AllowedValues"])
    if "MinValue" in rules:
        return f"{rules['MinValue']:,} to {rules['MaxValue']:,}"
    return rules["ConstraintDescription"].strip().rstrip(".").replace("|", "\\|")


def outputs(template: Mapping[str, Any]) -> Iterator[str]:
    """The rows of the outputs, without their copies that are exported."""
    yield "| output | |"
    yield "|---|---|"
    for name, output in template["Outputs"].items():
        if "Export" in output:
            continue
        condition = " Only with `CreatePolicies`." if "Condition" in output else ""
        yield f"| `{name}` | {output['Description'].strip()}{condition} |"


def generated(page: str) -> str:
    """The page with its tables written again."""
    template = load_template()
    tables = (("parameters", parameters), ("outputs", outputs), ("updates", updates))
    for marker, rows in tables:
        text = "\n".join(rows(template))
        page, found = re.subn(
            rf"(<!-- {marker} -->\n).*?(<!-- end -->)",
            lambda match, text=text: f"{match[1]}{text}\n{match[2]}",
            page,
            flags=re.DOTALL,
        )
        if found != 1:
            raise SystemExit(f"{PAGE.name}: {found} tables are marked {marker!r}, not 1")
    return page


def main() -> None:
    """Check the page, or write it."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = generated(page)
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        raise SystemExit(f"{PAGE.name} is not what template.yaml says: run `make docs`")


if __name__ == "__main__":
    main()
