"""Whatever a client sends: an error of its own, small, echoing nothing, and nothing sent upstream."""

import json
from typing import Any

import pytest

from tests.clients.lines import LineClient
from tests.upstreams.seeded import Upstreams

LARGEST_ERROR = 2_000
HOSTILE_IMAGES = {
    "traversal": "../../etc",
    "login traversal": "../../../v2/users/login?x=1#",
    "encoded traversal": "..%2f..%2fetc",
    "carriage return": "nginx\r\nHost: evil",
    "NUL": "nginx\0",
    "ANSI": "\x1b[31mnginx",
    "URL": "https://example.com/nginx",
    "upper case": "NGINX",
    "look-alike": "ng\u0456nx",
    "a megabyte": "a" * 1_000_000,
    "empty": "",
    "spaces": "   ",
    "query": "nginx?x=1",
    "user info": "user@host/nginx",
}


def _refused(result: dict[str, Any], code: str = "INVALID_INPUT") -> dict[str, Any]:
    assert result["isError"] is True
    content: dict[str, Any] = result["structuredContent"]
    assert content["code"] == code
    assert content["message"]
    assert len(json.dumps(result).encode()) < LARGEST_ERROR
    return content


@pytest.mark.parametrize("image", HOSTILE_IMAGES.values(), ids=HOSTILE_IMAGES.keys())
def test_a_hostile_reference_is_refused_before_anything_is_sent(
    client: LineClient, upstreams: Upstreams, image: str
) -> None:
    before = len(upstreams.registry.requests)
    content = _refused(client.call("docker_get_image_details", {"image": image}))
    assert len(upstreams.registry.requests) == before
    text = json.dumps(content, ensure_ascii=False)
    assert not any(character in text for character in "\0\x1b\r\n")
    assert "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "image"),
        ({"image": 5}, "image"),
        ({"image": None}, "image"),
        ({"image": ["nginx"]}, "image"),
        ({"image": "nginx", "plattform": "linux/amd64"}, "plattform"),
        ({"image": "nginx", "platform": "linux"}, "platform"),
        ([], "object"),
        ("nginx", "object"),
        (7, "object"),
    ],
)
def test_wrong_arguments_are_named(client: LineClient, arguments: Any, says: str) -> None:
    content = _refused(client.call("docker_get_image_details", arguments))
    assert says in content["message"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("docker_list_tags", {"repository": "nginx", "limit": 101}),
        ("docker_list_tags", {"repository": "nginx", "page": 0}),
        ("docker_list_tags", {"repository": "nginx:tag"}),
        ("docker_list_tags", {"repository": "nginx", "order": "random"}),
        ("docker_search_images", {"query": ""}),
        ("docker_search_images", {"query": "x" * 101}),
        ("docker_search_images", {"query": "x", "min_stars": -1}),
        ("docker_estimate_pull_size", {"image": "nginx", "present": ["nginx"] * 21}),
        ("docker_estimate_pull_size", {"image": "nginx", "present": ["../x"]}),
        ("docker_get_manifest", {"image": "nginx", "raw": "yes"}),
        ("get_performance_metrics", {"tool": "no_such_tool"}),
    ],
)
def test_bounds_are_enforced(client: LineClient, tool: str, arguments: dict[str, Any]) -> None:
    _refused(client.call(tool, arguments))


def test_an_unknown_tool_is_an_error_that_suggests(client: LineClient) -> None:
    content = _refused(client.call("docker_list_tag", {}))
    assert "docker_list_tags" in content["hint"]


@pytest.mark.parametrize("name", [None, 5, "", [], "x" * 100_000])
def test_a_name_that_is_none_is_refused(client: LineClient, name: Any) -> None:
    result = client.request("tools/call", {"name": name, "arguments": {}})["result"]
    _refused(result)


def test_a_registry_that_is_not_allowed_is_denied(client: LineClient) -> None:
    content = _refused(client.call("docker_get_image_details", {"image": "evil.example/x"}), "POLICY_DENIED")
    assert "evil.example" in content["message"]


@pytest.mark.parametrize(
    "uri",
    ["docker://image/../../x/y", "docker://image/nginx/%ff", "file:///etc/passwd", "docker://images/" + "x" * 2_000, 5],
)
def test_a_resource_that_is_none_is_a_protocol_error(client: LineClient, uri: Any) -> None:
    answer = client.request("resources/read", {"uri": uri})
    assert answer["error"]["data"]["code"] == "INVALID_INPUT"
    assert len(json.dumps(answer)) < LARGEST_ERROR


BROKEN_LINES = {
    "not JSON": b"{bad",
    "empty object": b"{}",
    "array": b"[]",
    "batch": b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    "wrong version": b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "deep nesting": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "five megabytes": b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 5_000_000 + b'"}',
    "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":\xff\xfe}',
    "NUL": b"\0\0\0",
}


@pytest.mark.parametrize("line", BROKEN_LINES.values(), ids=BROKEN_LINES.keys())
def test_a_broken_line_is_answered_and_the_next_call_works(client: LineClient, line: bytes) -> None:
    client.send(line)
    answer = client.receive()
    assert answer["id"] is None
    assert answer["error"]["code"] == -32700
    assert not client.call("get_server_info", {}).get("isError")


def test_deeply_nested_arguments_are_refused(client: LineClient) -> None:
    nested: Any = "x"
    for _ in range(100):
        nested = [nested]
    _refused(client.call("docker_get_image_details", {"image": nested}))


def test_nothing_but_protocol_appears_on_stdout_and_nothing_of_it_on_stderr(client: LineClient) -> None:
    for line in BROKEN_LINES.values():
        client.send(line)
    for _ in BROKEN_LINES:
        client.receive()
    client.call("docker_get_image_details", {"image": "nginx"})
    assert not [line for line in client.errors if b"xxxxxxxx" in line]
