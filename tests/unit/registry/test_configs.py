"""Image configs, from the complete to the odd."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.registry import HistoryEntry, ImageConfig
from mcp_dockerhub.registry.configs import parse_config
from mcp_dockerhub.registry.fields import MAX_ITEMS
from mcp_dockerhub.registry.verify import digest_of


def parse(document: dict[str, Any]) -> ImageConfig:
    raw = json.dumps(document).encode()
    return parse_config(raw, digest_of(raw), "The config")


def test_every_field_of_a_full_config_is_read() -> None:
    config = parse(
        {
            "created": "2026-03-01T12:00:00.123456789Z",
            "author": "someone",
            "architecture": "arm",
            "variant": "v7",
            "os": "linux",
            "os.version": "1",
            "config": {
                "User": "nobody",
                "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
                "Env": ["PATH=/bin", 7],
                "Entrypoint": ["/entry"],
                "Cmd": ["run"],
                "Shell": ["/bin/bash", "-c"],
                "Volumes": {"/data": {}},
                "WorkingDir": "/app",
                "Labels": {"a": "b", "n": 1},
                "StopSignal": "SIGQUIT",
                "OnBuild": ["RUN make"],
                "Healthcheck": {"Test": ["CMD", "true"]},
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
            "history": [
                {"created": "2020-01-01T00:00:00Z", "created_by": "ADD x", "author": "a", "comment": "c"},
                {"created_by": "ENV a=b", "empty_layer": True},
                "noise",
            ],
        }
    )
    assert config.platform == Platform("linux", "arm", "v7")
    assert config.created == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert (config.author, config.user, config.working_dir, config.stop_signal) == (
        "someone",
        "nobody",
        "/app",
        "SIGQUIT",
    )
    assert (config.env, config.entrypoint, config.cmd) == (("PATH=/bin",), ("/entry",), ("run",))
    assert (config.shell, config.on_build, config.healthcheck) == (
        ("/bin/bash", "-c"),
        ("RUN make",),
        ("CMD", "true"),
    )
    assert (config.exposed_ports, config.volumes, config.labels) == (("80/tcp", "443/tcp"), ("/data",), {"a": "b"})
    assert (config.diff_ids, config.os_version) == (("sha256:1", "sha256:2"), "1")
    assert config.history == (
        HistoryEntry(datetime(2020, 1, 1, tzinfo=UTC), "ADD x", "a", "c"),
        HistoryEntry(None, "ENV a=b", empty_layer=True),
    )


def test_a_config_that_says_nothing_is_empty_and_its_commands_are_not_set() -> None:
    config = parse({"config": None, "history": None, "rootfs": None})
    assert (config.platform, config.created, config.history, config.diff_ids) == (None, None, (), ())
    assert (config.entrypoint, config.cmd, config.shell) == (None, None, None)


def test_an_empty_command_differs_from_none() -> None:
    assert parse({"config": {"Cmd": []}}).cmd == ()


def test_a_command_written_as_one_string_is_one_word() -> None:
    assert parse({"config": {"Entrypoint": "/entry"}}).entrypoint == ("/entry",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T14:00:00+02:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1700000000, None),
    ],
)
def test_times_are_in_utc_or_absent(text: Any, expected: datetime | None) -> None:
    assert parse({"created": text}).created == expected


@pytest.mark.parametrize(
    "document",
    [
        {"history": [{}] * (MAX_ITEMS + 1)},
        {"config": {"Labels": {str(n): "" for n in range(MAX_ITEMS + 1)}}},
        {"config": {"Volumes": {str(n): {} for n in range(MAX_ITEMS + 1)}}},
    ],
)
def test_endless_lists_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(TooLarge):
        parse(document)


def test_half_surrogate_pairs_can_be_written_again() -> None:
    config = parse(
        {"author": "a\ud800", "config": {"Env": ["\udc00"], "Labels": {"\ud800k": "v\ud800"}, "Cmd": "é\ud800"}}
    )
    assert (config.author, config.env, config.labels, config.cmd) == ("a?", ("?",), {"?k": "v?"}, ("é?",))
