"""Every upstream fault ends in the right code, in a small error that shows nothing of the upstream's."""

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.inprocess import connected, content, settings
from tests.upstreams import faults
from tests.upstreams.faults import Behaviour, FaultServer
from tests.upstreams.images import seed_registry
from tests.upstreams.registry import InMemoryRegistry

_OTHER = hashlib.sha256(b"other").hexdigest()
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SECRET = "upstream-body-text"


def _manifest(body: bytes, digest: str = "") -> Behaviour:
    shown = digest or f"sha256:{hashlib.sha256(body).hexdigest()}"
    return faults.answer(200, body, [("Content-Type", _MANIFEST), ("Docker-Content-Digest", shown)])


def _status(status: int, *headers: tuple[str, str]) -> Behaviour:
    return faults.answer(status, json.dumps({"errors": [{"code": "X", "message": _SECRET}]}).encode(), list(headers))


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "401 without a challenge": (_status(401), "NOT_FOUND"),
    "403": (_status(403), "FORBIDDEN"),
    "404": (_status(404), "NOT_FOUND"),
    "429 beyond the deadline": (_status(429, ("Retry-After", "3600")), "RATE_LIMITED"),
    "503 beyond the deadline": (_status(503, ("Retry-After", "3600")), "UPSTREAM_UNAVAILABLE"),
    "HTML with status 200": (faults.html(), "UPSTREAM_INVALID"),
    "wrong-shape JSON": (_manifest(b'["a"]'), "UPSTREAM_INVALID"),
    "JSON of another kind": (_manifest(b'{"schemaVersion": 2, "layers": "none"}'), "UPSTREAM_INVALID"),
    "a digest that is not the body's": (_manifest(b"{}", f"sha256:{_OTHER}"), "UPSTREAM_INVALID"),
    "a gzip bomb": (faults.gzip_bomb(64), "TOO_LARGE"),
    "an endless body": (faults.endless, "TOO_LARGE"),
    "a redirect to the metadata service": (faults.redirect("http://169.254.169.254/latest/"), "POLICY_DENIED"),
    "a redirect to another scheme": (faults.redirect("file:///etc/passwd"), "POLICY_DENIED"),
    "a realm on a private address": (
        _status(401, ("WWW-Authenticate", 'Bearer realm="https://10.0.0.1/token",service="s"')),
        "POLICY_DENIED",
    ),
    "a realm without TLS": (
        _status(401, ("WWW-Authenticate", 'Bearer realm="http://tokens.example.com/token",service="s"')),
        "POLICY_DENIED",
    ),
    "not HTTP": (faults.garbage, "UPSTREAM_INVALID"),
}


@pytest.mark.parametrize(("behaviour", "code"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_the_registry_ends_in_the_right_code(behaviour: Behaviour, code: str, tmp_path: Path) -> None:
    async with FaultServer(behaviour) as server:
        configuration = settings(tmp_path, registry_url=server.origin, hub_url=server.origin)
        async with connected(configuration) as client:
            result = await client.call_tool("docker_get_manifest", {"image": "nginx:alpine"})
    assert result.is_error
    error = result.structured_content
    assert error is not None
    assert error["code"] == code, error
    text = result.model_dump_json()
    assert len(text) < 2_000
    assert _SECRET not in text
    assert "hotel" not in text
    assert error["retryable"] is (code in ("RATE_LIMITED", "UPSTREAM_UNAVAILABLE"))


async def test_a_wait_that_the_registry_asks_for_is_passed_on(tmp_path: Path) -> None:
    async with FaultServer(_status(429, ("Retry-After", "3600"))) as server:
        configuration = settings(tmp_path, registry_url=server.origin, hub_url=server.origin)
        async with connected(configuration) as client:
            error = await content(client, "docker_get_manifest", {"image": "nginx:alpine"})
    assert 3_500 < error["retry_after_s"] <= 3_600


async def test_an_unreachable_registry_is_not_an_image_that_does_not_exist(tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{faults.unused_port()}"
    async with connected(settings(tmp_path, registry_url=gone, hub_url=gone)) as client:
        error = await content(client, "docker_get_manifest", {"image": "nginx:alpine"})
    assert error["code"] == "UPSTREAM_UNAVAILABLE"
    assert "exists" in error["hint"]
    assert "127.0.0.1" in error["message"]


async def test_a_hub_that_is_down_costs_its_part_of_the_answer_and_a_warning(tmp_path: Path) -> None:
    with InMemoryRegistry() as registry:
        seed_registry(registry)
        async with FaultServer(_status(503, ("Retry-After", "3600"))) as hub:
            configuration = settings(tmp_path, registry_url=registry.url, hub_url=hub.origin)
            async with connected(configuration) as client:
                details = await content(client, "docker_get_image_details", {"image": "nginx:alpine"})
                stats = await content(client, "docker_get_stats", {"repository": "nginx"})
    assert details["digest"].startswith("sha256:")
    assert any("Hub" in warning for warning in details["warnings"])
    assert stats["code"] == "UPSTREAM_UNAVAILABLE"


async def test_answers_that_expired_are_served_as_stale_while_the_registry_is_down(tmp_path: Path) -> None:
    with ExitStack() as running:
        registry = running.enter_context(InMemoryRegistry())
        seed_registry(registry)
        configuration = settings(
            tmp_path, registry_url=registry.url, hub_url=registry.url, cache_ttl={"tag_digest": 0.0}
        )
        async with connected(configuration) as client:
            fresh = await content(client, "docker_get_manifest", {"image": "nginx:alpine"})
            running.close()
            old = await content(client, "docker_get_manifest", {"image": "nginx:alpine"})
    assert fresh["source"] == "live"
    assert old["source"] == "stale"
    assert old["digest"] == fresh["digest"]
    assert old["fetched_at"] <= fresh["fetched_at"]
