"""What AWS's Service Authorization Reference says of actions; runs in checkov's environment.

policy_sentry, on which checkov depends, bundles the reference. Takes a JSON list of actions, prints
the resource ARNs of each as JSON: null for an unknown action, none if it takes `*` only.
"""

import json
import sys

from policy_sentry.querying.actions import get_action_data


def arns(action: str) -> list[str] | None:
    """The ARN formats of the resource types that an action can be limited to."""
    service, name = action.split(":")
    found = get_action_data(service, name)
    if not found:
        return None
    return [
        row["resource_arn_format"] for row in found[service] if row["resource_arn_format"] != "*"
    ]


if __name__ == "__main__":
    print(json.dumps({action: arns(action) for action in json.loads(sys.argv[1])}))
