"""Credentials and passwords in the messages of botocore, urllib3, aiohttp and AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SECRETS = re.compile(
    r"(?<=//)[^/@\s]*@"  # the user and password of an endpoint or a proxy
    r"|(?<=Invalid header value ).*"  # http.client's; the credentials are in headers
    # AWS quotes what was signed if a signature is wrong.
    r"|(?<=x-amz-security-token:)[^\s'\"]+"
    r"|(?<=Credential=)[^/,\s]+",
    re.DOTALL | re.IGNORECASE,
)


def hide_secrets(error: BaseException) -> None:
    """Remove credentials from an error's message and from those of its causes.

    A traceback prints the messages of the causes, too.
    """
    for one in _chain(error):
        hidden = tuple(without_secrets(arg) if isinstance(arg, str) else arg for arg in one.args)
        if hidden != one.args:
            one.args = hidden


def without_secrets(text: str) -> str:
    """A message without the credentials that it quotes."""
    return _SECRETS.sub("", text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
