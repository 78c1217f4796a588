"""URLs of endpoints and proxies."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError

_URL = re.compile(r"https?://[^/?#\s]+\S*")
_LABEL = "(?!-)[a-zA-Z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"({_LABEL}\.)*{_LABEL}\.?")
"""What botocore accepts (`botocore.utils.is_valid_endpoint_url`)."""
_MAX_HOST = 255


def check_endpoint(name: str, url: Any) -> None:
    """Check the URL of an endpoint; `None` is AWS's own.

    aiohttp refuses a URL with a user name and password, and botocore sends the signature in their
    place.

    Raises:
        ConfigurationError: It is no URL, or it has a user name; the message shows no password.
    """
    if url is None:
        return
    if isinstance(url, str) and "@" in url:
        raise ConfigurationError(
            f"{name} (not shown) has a user name or a password, which no request can carry beside "
            "its signature: remove all up to the '@'"
        )
    host = urlsplit(url).hostname or "" if isinstance(url, str) and is_url(url) else ""
    if not (":" in host or (len(host) <= _MAX_HOST and _HOST.fullmatch(host))):
        raise ConfigurationError(
            f"{name}={url!r}: use a URL, such as http://localhost:8000, or leave it out for "
            "AWS's default"
        )


def is_url(url: str) -> bool:
    """Whether a client can send to a URL: it has a host's name or address, and a valid port."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # reading a bad port raises
        if ":" in host:
            IPv6Address(host)
    except ValueError:
        return False
    return bool(host and _URL.fullmatch(url))
