"""Settings of this machine that make every call fail before it is sent.

botocore reports them like a network that does not answer, and a retry would not help.
"""

from __future__ import annotations

import os
import re
import ssl
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import HTTPClientError, SSLError
from botocore.session import get_session

from ..config.endpoints import is_url

_HEADER = re.compile("Invalid header value|detected in .*header")
"""How http.client and aiohttp refuse a header with a line end or another control character."""
_CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""In botocore's order: `ca_bundle` of a profile comes after the first."""


def fault_of(error: Exception, host: str | None) -> str | None:
    """Which setting made a call fail, and what to do; `None` if no setting is known to.

    Args:
        error: What botocore or aiobotocore raised.
        host: Where the call was to be sent.
    """
    if type(error) not in (HTTPClientError, SSLError):  # its other subclasses are of the network
        return None
    if _HEADER.search(str(error)):
        return (
            "the credentials (not shown) contain a line end or another control character; correct "
            "those of the session, the variables AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or the "
            "files in ~/.aws"
        )
    return _faulty_bundle() or (None if isinstance(error, SSLError) else _faulty_proxy(host))


def _faulty_bundle() -> str | None:
    first, second = _CA_BUNDLES
    path, name = get_session().get_config_variable("ca_bundle"), f"{first} or a profile's ca_bundle"
    if os.environ.get(first):
        name = first
    elif not path:
        path, name = os.environ.get(second), second
    if not path:
        return None
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # which ssl.SSLError is
        return (
            f"{name}={path!r} cannot be read as certificates ({error}): correct the path, or "
            "remove the setting"
        )
    return None


def _faulty_proxy(host: str | None) -> str | None:
    """What is wrong with a proxy; its URL may have a password and is not shown."""
    if host is not None and proxy_bypass(host):
        return None
    for scheme, url in getproxies().items():
        with_scheme = url if "://" in url else f"http://{url.removeprefix('//')}"
        if scheme in ("http", "https") and not is_url(with_scheme):
            name = f"{scheme}_proxy"
            return (
                f"the variable {name if name in os.environ else name.upper()} (not shown) is no "
                "URL of a proxy: use one such as http://proxy.example.com:3128, or remove it"
            )
    return None
