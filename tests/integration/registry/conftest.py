"""The stand-in registry and Debian's own, each with every kind of authentication."""

from collections.abc import Iterator

import pytest

from tests.upstreams.any_registry import AnyRegistry, Auth, make_registry
from tests.upstreams.docker_registry import BINARY, MISSING

_DEBIAN = [pytest.mark.registry, pytest.mark.skipif(BINARY is None, reason=MISSING)]
_AUTHS: tuple[Auth, ...] = ("anonymous", "basic", "token")


def _kinds(*auths: Auth) -> list[object]:
    return [
        pytest.param((kind, auth), id=f"{kind}-{auth}", marks=_DEBIAN if kind == "debian" else [])
        for kind in ("in-memory", "debian")
        for auth in auths
    ]


def _running(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    with make_registry(*request.param) as running:
        yield running


@pytest.fixture(scope="module", params=_kinds(*_AUTHS))
def registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    """One registry for a module's tests: each pushes to repositories of its own."""
    yield from _running(request)


@pytest.fixture(scope="module", params=_kinds("token"))
def token_registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    yield from _running(request)


@pytest.fixture(scope="module", params=_kinds("basic"))
def basic_registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    yield from _running(request)


@pytest.fixture(scope="module", params=_kinds("basic", "token"))
def guarded_registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    yield from _running(request)
