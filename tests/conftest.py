"""Fixtures every test may use."""

import logging
from collections.abc import Iterator

import pytest

from mcp_dockerhub_monitoring.logs import OWN_LOGGERS


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of all asynchronous tests; the server runs on asyncio only."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands set up this process's logging; tests that come later want it untouched."""
    loggers = [logging.getLogger(name) for name in ("", *OWN_LOGGERS)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    logging.captureWarnings(False)
