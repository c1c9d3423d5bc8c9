"""URIs: which tool they stand for, with which arguments."""

from collections.abc import Mapping

import pytest

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.tools.resources import find_resource


@pytest.mark.parametrize(
    ("uri", "tool", "arguments"),
    [
        ("docker://images/web%20server", "docker_search_images", {"query": "web server"}),
        ("docker://image/nginx/alpine", "docker_get_image_details", {"image": "nginx:alpine"}),
        ("docker://image/ghcr.io/o/a/1.2", "docker_get_image_details", {"image": "ghcr.io/o/a:1.2"}),
        ("docker://image/localhost:5000/a/1", "docker_get_image_details", {"image": "localhost:5000/a:1"}),
        (
            f"docker://image/nginx/sha256:{'a' * 64}",
            "docker_get_image_details",
            {"image": f"nginx@sha256:{'a' * 64}"},
        ),
        ("docker://repository/library/nginx", "docker_get_stats", {"repository": "library/nginx"}),
        ("docker://server/metrics", "get_performance_metrics", {}),
    ],
)
def test_a_uri_stands_for_a_call(uri: str, tool: str, arguments: Mapping[str, str]) -> None:
    found = find_resource(uri)
    assert found is not None
    assert (found[0].tool, found[1]) == (tool, arguments)


@pytest.mark.parametrize("uri", ["", "docker://", "docker://image/nginx", "docker://images/a/b", "file:///etc/passwd"])
def test_another_uri_stands_for_nothing(uri: str) -> None:
    assert find_resource(uri) is None


def test_a_uri_that_is_too_long_or_not_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="1024"):
        find_resource("docker://images/" + "a" * 2_000)
    with pytest.raises(InvalidInput, match="UTF-8"):
        find_resource("docker://images/%ff")
