"""Fixtures every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of all asynchronous tests; the server runs on asyncio only."""
    return "asyncio"
