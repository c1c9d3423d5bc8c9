"""A server that asks OSV, as a client of its own process sees it: what cannot be asked is never "nothing found"."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.lines import LineClient
from tests.upstreams.scanned import Scene, running_scene

TOOL = "docker_get_vulnerabilities"


@pytest.fixture
def scene() -> Iterator[Scene]:
    with running_scene() as running:
        yield running


@pytest.fixture
def client(scene: Scene, tmp_path: Path) -> Iterator[LineClient]:
    with LineClient(scene.environment(tmp_path)) as running:
        running.initialize()
        yield running


def asked(client: LineClient, image: str, **more: Any) -> dict[str, Any]:
    result = client.call(TOOL, {"image": image, **more})
    assert not result.get("isError"), result
    found = result["structuredContent"]
    assert isinstance(found, dict)
    return found


def test_filters_and_pages_are_never_taken_for_the_whole(scene: Scene, client: LineClient) -> None:
    image = scene.image("app:1")
    first = asked(client, image, limit=1)
    assert (first["total"], first["pages"], len(first["findings"])) == (2, 2, 1)
    beyond = asked(client, image, limit=1, page=3)
    assert (beyond["findings"], beyond["counts"]) == ([], {"critical": 1, "medium": 1})
    severe = asked(client, image, min_severity="critical")
    assert (severe["total"], severe["counts"]) == (1, {"critical": 1, "medium": 1})
    misspelt = asked(client, image, package="reqeusts")
    assert misspelt["findings"] == []
    assert "No package that was found in the image has that in its name" in misspelt["warnings"][0]
    assert scene.osv.count("/v1/querybatch") == 1


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/querybatch", (200, b'{"results": [{"error": "deadline exceeded"}]}')),
        ("/v1/querybatch", (200, b'{"results": []}')),
        ("/v1/querybatch", (200, b"<html>sign in</html>")),
        ("/v1/vulns/", (404, b"{}")),
        ("/v1/vulns/", (200, b'{"id": "../../x"}')),
    ],
)
def test_a_service_that_does_not_answer_properly_is_an_error_and_is_asked_again(
    scene: Scene, client: LineClient, path: str, answer: tuple[int, bytes]
) -> None:
    scene.osv.broken[path] = answer
    failed = client.call(TOOL, {"image": scene.image("app:1")})
    assert failed["isError"]
    assert failed["structuredContent"]["code"] == "UPSTREAM_INVALID"
    assert failed["structuredContent"]["message"].startswith("The vulnerability database could not be asked")
    scene.osv.broken.clear()
    assert asked(client, scene.image("app:1"))["total"] == 2
