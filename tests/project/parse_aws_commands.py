"""Has the AWS CLI parse commands and validate their requests; runs in its environment.

Takes a JSON list of argument lists, prints as JSON the API call that each would send first.
"""

import json
import sys
from contextlib import suppress
from typing import Any

from awscli.clidriver import create_clidriver
from botocore.endpoint import Endpoint


class SentError(Exception):
    """A request that is ready to be sent."""


def main() -> None:
    """Parse each command up to its first request."""
    sent: list[str] = []

    def send(self: Any, operation_model: Any, request: Any) -> None:
        service = operation_model.service_model.service_name
        sent.append(f"{service}:{operation_model.name}")
        raise SentError

    Endpoint.make_request = send  # type: ignore[method-assign]
    driver = create_clidriver()
    found = []
    for arguments in json.loads(sys.argv[1]):
        sent.clear()
        with suppress(SystemExit):  # of its parser of arguments
            driver.main(arguments)
        found.append(sent[0] if sent else None)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
