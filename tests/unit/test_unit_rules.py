"""The rules of tests/unit, which `tests/conftest.py` checks: no engine and no other host."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import conftest
import pytest

import engine


def test_a_test_that_asks_for_the_engine_fails_before_it_runs() -> None:
    item: Any = SimpleNamespace(path=conftest.UNIT / "test_x.py", fixturenames=["endpoint_url"])
    with pytest.raises(pytest.fail.Exception, match="needs no engine"):
        conftest.pytest_runtest_setup(item)
    item.path = conftest.UNIT.parent / "engine" / "test_x.py"
    conftest.pytest_runtest_setup(item)


def test_a_test_that_starts_an_engine_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="needs no engine"):
        engine.run_engine()


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
def test_a_test_that_connects_to_another_host_fails(host: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=host):
        socket.create_connection((host, 443), timeout=1)


def test_a_test_may_connect_to_its_own_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
