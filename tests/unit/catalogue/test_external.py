"""Other programs in the cataloguer's place, played by scripts."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import TooLarge, Unsupported, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries, RegistryConfig
from mcp_dockerhub.supply_chain import external as module
from mcp_dockerhub.supply_chain.catalogue.cataloguer import LayerCataloguer, LayerReader
from mcp_dockerhub.supply_chain.external import ExternalCataloguer, ExternalTool, Tool
from mcp_dockerhub.supply_chain.packages import PackageSet
from mcp_dockerhub.supply_chain.scanning import Scanning
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from tests.upstreams.app_client import AppClient
from tests.upstreams.registry import InMemoryRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="plays programs by scripts")]

CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [{"type": "library", "name": "six", "version": "1", "purl": "pkg:pypi/six@1"}],
}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "packages": [
        {
            "name": "six",
            "SPDXID": "SPDXRef-six",
            "versionInfo": "1",
            "externalRefs": [
                {"referenceType": "purl", "referenceCategory": "PACKAGE-MANAGER", "referenceLocator": "pkg:pypi/six@1"}
            ],
        }
    ],
}


class _Private:
    private = True
    partition = ""

    def check_target(self, registry: str, repository: str) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    held = InMemoryRegistry()
    held.add_image("app", "1")
    yield held
    held.close()


class Stage:
    """A folder of made-up programs, and what they were given."""

    def __init__(self, folder: Path, registry: InMemoryRegistry) -> None:
        self.folder = folder
        self.cache = Cache()
        self.url, self.secrets = "https://registry.test", {"username": "alice", "password": "wonderland"}
        self.registry = registry

    def play(self, name: str, body: str) -> None:
        path = self.folder / name
        given = self.folder / "given.json"
        record = f"import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open({str(given)!r}, 'w'))\n"
        path.write_text(f"#!{sys.executable}\n{record}{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def says(self, name: Tool, document: object) -> None:
        self.play(name, f"print({json.dumps(document)!r})")

    @property
    def given(self) -> tuple[list[str], dict[str, str]]:
        arguments, environment = json.loads((self.folder / "given.json").read_text())
        return arguments, environment

    async def catalogue(self, tool: ExternalTool, access: Any = ANONYMOUS) -> PackageSet:
        registries = Registries.build([RegistryConfig.create("registry.test", self.url, **self.secrets)])
        http = AppClient(self.registry)
        hub = HubClient(http, self.cache, "https://hub.test", ANONYMOUS_CREDENTIAL)
        sources = Sources(RegistryClient(http, self.cache, registries), hub)
        ref = Reference.parse("registry.test/app:1")
        image = (await sources.registry.image(access, ref)).value
        self.digest = image.manifest.digest
        found = await ExternalCataloguer(tool, self.cache).catalogue(sources, access, ref, image)
        return found.value


@pytest.fixture
async def stage(tmp_path: Path, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKERHUB_TOKEN", "secret")
    stage = Stage(tmp_path, registry)
    yield stage
    await stage.cache.aclose()


@pytest.mark.parametrize(("name", "document"), [("syft", CYCLONEDX), ("trivy", SPDX)])
async def test_what_the_program_writes_becomes_packages(stage: Stage, name: Tool, document: object) -> None:
    stage.says(name, document)
    found = await stage.catalogue(ExternalTool(name))
    assert [(one.type, one.name, one.version) for one in found.packages] == [("pypi", "six", "1")]
    assert found.found == name
    arguments, environment = stage.given
    assert (
        f"registry.test/app@{stage.digest}" in arguments[-1]
        or f"registry:registry.test/app@{stage.digest}" in arguments
    )
    assert "secret" not in json.dumps(environment)
    assert not Path(environment["HOME"]).exists()


async def test_a_second_look_costs_nothing(stage: Stage) -> None:
    stage.says("syft", CYCLONEDX)
    first = await stage.catalogue(ExternalTool("syft"))
    (stage.folder / "syft").unlink()
    assert await stage.catalogue(ExternalTool("syft")) == first


async def test_a_trivy_server_is_passed_on(stage: Stage) -> None:
    stage.says("trivy", SPDX)
    await stage.catalogue(ExternalTool("trivy", "http://127.0.0.1:4954"))
    arguments, _ = stage.given
    assert arguments[arguments.index("--server") + 1] == "http://127.0.0.1:4954"


async def test_trivy_finds_its_java_database_where_the_operator_keeps_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.says("trivy", SPDX)
    await stage.catalogue(ExternalTool("trivy"))
    arguments, environment = stage.given
    assert arguments[arguments.index("--cache-dir") + 1] == environment["HOME"]
    monkeypatch.setenv("TRIVY_CACHE_DIR", "/var/cache/trivy")
    stage.says("trivy", SPDX)
    stage.cache.clear()
    await stage.catalogue(ExternalTool("trivy"))
    arguments, _ = stage.given
    assert arguments[arguments.index("--cache-dir") + 1] == "/var/cache/trivy"


BASIC = {"username": "alice", "password": "wonderland"}


@pytest.mark.parametrize(
    ("name", "secrets", "private", "expected"),
    [
        ("syft", BASIC, False, {}),
        ("trivy", BASIC, False, {}),
        (
            "syft",
            BASIC,
            True,
            {
                "SYFT_REGISTRY_AUTH_AUTHORITY": "registry.test",
                "SYFT_REGISTRY_AUTH_USERNAME": "alice",
                "SYFT_REGISTRY_AUTH_PASSWORD": "wonderland",
            },
        ),
        (
            "syft",
            {"token": "t"},
            True,
            {"SYFT_REGISTRY_AUTH_AUTHORITY": "registry.test", "SYFT_REGISTRY_AUTH_TOKEN": "t"},
        ),
        ("trivy", BASIC, True, {"TRIVY_USERNAME": "alice", "TRIVY_PASSWORD": "wonderland"}),
        ("trivy", {"token": "t"}, True, {"TRIVY_REGISTRY_TOKEN": "t"}),
    ],
)
async def test_the_program_gets_the_callers_credential_and_no_other(
    stage: Stage, name: Tool, secrets: dict[str, str], private: bool, expected: dict[str, str]
) -> None:
    stage.secrets = secrets
    stage.says(name, CYCLONEDX if name == "syft" else SPDX)
    await stage.catalogue(ExternalTool(name), _Private() if private else ANONYMOUS)
    _, environment = stage.given
    known = ("_AUTH_", "TRIVY_")
    assert {key: value for key, value in environment.items() if any(part in key for part in known)} == expected


@pytest.mark.parametrize(
    ("name", "variable"), [("syft", "SYFT_REGISTRY_INSECURE_USE_HTTP"), ("trivy", "TRIVY_NON_SSL")]
)
async def test_a_registry_without_tls_is_said_to_be_one(stage: Stage, name: Tool, variable: str) -> None:
    stage.url = "http://127.0.0.1:5000"
    stage.says(name, CYCLONEDX if name == "syft" else SPDX)
    await stage.catalogue(ExternalTool(name))
    arguments, environment = stage.given
    assert environment[variable] == "true"
    assert "127.0.0.1:5000/app@" in arguments[-1] or any("127.0.0.1:5000/app@" in part for part in arguments)


async def test_a_program_that_is_not_there_is_said_to_be_missing(stage: Stage) -> None:
    with pytest.raises(Unsupported, match="no such program"):
        await stage.catalogue(ExternalTool("syft"))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("sys.exit(3)", UpstreamUnavailable),
        ("print('no document')", Unsupported),
        ("sys.stdout.write('x' * 5000)", TooLarge),
    ],
)
async def test_a_program_that_fails_is_an_error_of_its_kind(
    stage: Stage, body: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENT", 4000)
    stage.play("syft", body)
    with pytest.raises(error):
        await stage.catalogue(ExternalTool("syft"))


FORK = """
import threading
pid = os.fork()
open(os.path.join({folder!r}, "child" if pid == 0 else "parent"), "w").write(str(os.getpid()))
threading.Event().wait()
"""


async def started(stage: Stage) -> list[int]:
    async with asyncio.timeout(10):
        while True:
            found = [stage.folder / name for name in ("child", "parent")]
            if all(path.exists() and path.read_text() for path in found):
                return [int(path.read_text()) for path in found]
            await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
async def test_a_program_that_takes_too_long_is_ended_with_all_it_started(stage: Stage) -> None:
    stage.play("syft", FORK.format(folder=str(stage.folder)))
    with pytest.raises(UpstreamTimeout):
        await stage.catalogue(ExternalTool("syft", seconds=1.0))
    pids = await started(stage)
    async with asyncio.timeout(5):
        while any(map(alive, pids)):
            await asyncio.sleep(0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
async def test_a_cancelled_call_ends_the_program_within_a_second(stage: Stage) -> None:
    stage.play("syft", FORK.format(folder=str(stage.folder)))
    task = asyncio.create_task(stage.catalogue(ExternalTool("syft")))
    pids = await started(stage)
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
        while any(map(alive, pids)):
            await asyncio.sleep(0.005)


def test_the_operator_chooses_who_reads() -> None:
    cache = Cache()
    reader = LayerReader(cache)
    assert isinstance(Scanning(cache, reader).cataloguer(), LayerCataloguer)
    assert isinstance(Scanning(cache, reader, ExternalTool("syft")).cataloguer(), ExternalCataloguer)
    assert Scanning(cache, reader, enabled=False).cataloguer() is None
