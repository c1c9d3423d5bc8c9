"""A registry behind a forward proxy that wants a password, certified by a company's own authority."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.web import inherited
from tests.upstreams import forward_proxy, nginx
from tests.upstreams.authority import Authority
from tests.upstreams.forward_proxy import ForwardProxy
from tests.upstreams.images import seed_registry
from tests.upstreams.nginx import Nginx
from tests.upstreams.registry import InMemoryRegistry

pytestmark = [
    pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING),
    pytest.mark.skipif(forward_proxy.BINARY is None, reason=forward_proxy.MISSING),
]

PASSWORD = "proxy-password-1"


@dataclass
class Company:
    """Its network, as far as the server sees it."""

    registry: InMemoryRegistry
    host: str
    proxy: ForwardProxy
    environment: dict[str, str]

    def details(self, **changes: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, structured answer and everything that was printed, of one call with these settings."""
        program = str(Path(sys.executable).with_name("mcp-dockerhub"))
        arguments = json.dumps({"image": f"{self.host}/library/nginx:alpine"})
        done = subprocess.run(
            [program, "call", "docker_get_manifest", arguments, "--json"],
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, json.loads(done.stdout), done.stdout + done.stderr


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    with (
        InMemoryRegistry() as registry,
        Nginx([registry.port], certificate=certificate, key=key) as tls,
        ForwardProxy("robot", PASSWORD) as proxy,
    ):
        seed_registry(registry)
        host = f"localhost:{tls.port}"
        registry.app.base_url = f"https://{host}"
        environment = {
            **inherited(),
            "DOCKER_CONFIG": str(tmp_path),
            "MCP_DOCKERHUB_REGISTRIES": json.dumps([{"host": host, "url": f"https://{host}"}]),
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(authority.certificate),
        }
        yield Company(registry, host, proxy, environment)


def test_the_registry_is_read_through_the_proxy_and_by_its_own_authority(company: Company) -> None:
    code, answer, printed = company.details()
    assert code == 0, printed
    assert answer["digest"].startswith("sha256:")
    assert f"CONNECT {company.host}" in company.proxy.log
    assert company.registry.requests
    assert PASSWORD not in printed


def test_without_the_authority_nothing_is_read_and_nothing_is_said_to_be_missing(company: Company) -> None:
    company.environment.pop("SSL_CERT_FILE")
    code, answer, printed = company.details()
    assert code == 1
    assert answer["code"] in ("UPSTREAM_UNAVAILABLE", "UPSTREAM_INVALID"), printed
    assert "certificate" in answer["message"] + answer["hint"]
    assert not company.registry.requests, "the certificate is checked before anything is asked"


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(company: Company) -> None:
    wrong = "another-password"
    code, answer, printed = company.details(HTTPS_PROXY=company.proxy.url.replace(PASSWORD, wrong))
    assert code == 1
    assert answer["code"] == "UPSTREAM_UNAVAILABLE"
    assert "proxy" in answer["message"]
    assert wrong not in printed
    assert not company.registry.requests


def test_hosts_of_no_proxy_are_reached_directly(company: Company) -> None:
    code, _, printed = company.details(NO_PROXY="localhost")
    assert code == 0, printed
    assert company.host not in company.proxy.log
