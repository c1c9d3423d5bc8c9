"""Tools with effects, offered to tests."""

from collections.abc import Iterator
from importlib import import_module

import pytest

from mcp_dockerhub.tools import catalogue
from tests.upstreams.effect_tools import DONE


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Adds the test-only tools to what there is; the list holds what they did."""
    modules = {**catalogue._MODULES, "effects": "tests.upstreams.effect_tools"}
    import_module(modules["effects"])
    monkeypatch.setattr(catalogue, "_MODULES", modules)
    DONE.clear()
    yield DONE
    DONE.clear()
