"""Another program in the built-in cataloguer's place: ``syft`` or ``trivy`` on the path, the latter with its server.

The operator chooses it. It fetches the image itself, so the rules about addresses and redirects that hold for our own
requests do not hold for its; who may read which repository is checked before it is started. It gets the credential
chosen for the caller and nothing else of the environment, an empty home, and a folder that is gone afterwards.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urlsplit

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache, Cached, Fetched
from mcp_dockerhub.errors import TooLarge, Unsupported, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.supply_chain.packages import PackageSet
from mcp_dockerhub.supply_chain.reaping import running
from mcp_dockerhub.supply_chain.sbom.reading import sbom_of_document
from mcp_dockerhub.transport.client import Upstream
from mcp_dockerhub.transport.deadline import own_deadline

Tool = Literal["syft", "trivy"]

MAX_DOCUMENT: Final = 64 * 1024 * 1024
_WRITTEN: Final[dict[Tool, tuple[str, str]]] = {
    "syft": ("cyclonedx-json", "application/vnd.cyclonedx+json"),
    "trivy": ("spdx-json", "application/spdx+json"),
}
"""What each is told to write, and what that is: of what they offer, the versions that are read here."""
_PASSED_ON: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SYSTEMROOT")
_TRIVY_CACHE: Final = "TRIVY_CACHE_DIR"
_COST: Final = 4
"""Bytes in memory for each of the document, roughly."""


@dataclass(frozen=True, slots=True)
class ExternalTool:
    """Which program, and how long it may take."""

    name: Tool
    server: str = ""
    """URL of a Trivy server that does the work; only for trivy."""
    seconds: float = 300.0


class ExternalCataloguer:
    """Satisfies ``Cataloguer`` by running a program on the image."""

    def __init__(self, tool: ExternalTool, cache: Cache) -> None:
        self._tool = tool
        self._cache = cache

    async def catalogue(self, sources: Sources, access: Access, ref: Reference, image: Image) -> Cached[PackageSet]:
        """The packages the program finds.

        Raises Unsupported when it is not installed, UpstreamTimeout, UpstreamUnavailable when it fails, TooLarge or
        UpstreamInvalid for what it writes.
        """
        upstream = sources.registry.endpoint(access, ref.repository)
        digest = image.manifest.digest
        target = f"{urlsplit(upstream.base_url).netloc}/{ref.repository.path}@{digest}"
        key = sources.registry.derived_key(access, ref.repository, f"packages by {self._tool.name}", digest)

        async def scan() -> Fetched[PackageSet]:
            with own_deadline(self._tool.seconds):
                raw = await self._run(target, upstream)
            found = await asyncio.to_thread(
                sbom_of_document, raw, _WRITTEN[self._tool.name][1], f"What {self._tool.name} wrote"
            )
            return Fetched(replace(found, found=self._tool.name), len(raw) * _COST)

        return await self._cache.get(key, scan)

    async def _run(self, target: str, upstream: Upstream) -> bytes:
        return await run_tool(self._tool, lambda folder: _arguments(self._tool, target, folder), upstream)


async def run_tool(
    tool: ExternalTool,
    arguments: Callable[[str], list[str]],
    upstream: Upstream | None,
    also: Mapping[str, str] | None = None,
) -> bytes:
    """What a program writes. It gets ``arguments`` of the folder it may write to, the credential for ``upstream`` and
    of the environment only what is needed, and ``also``.

    Raises Unsupported when it is not installed, UpstreamTimeout, UpstreamUnavailable when it fails, TooLarge.
    """
    program = shutil.which(tool.name)
    if program is None:
        raise Unsupported(
            f"The scanner is {tool.name}, and there is no such program on the path.",
            hint="Install it, or choose the built-in scanner.",
        )
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-") as folder:
        environment = {**_environment(tool.name, upstream, folder), **(also or {})}
        return await _output([program, *arguments(folder)], environment, tool)


def _arguments(tool: ExternalTool, target: str, folder: str) -> list[str]:
    if tool.name == "syft":
        return ["scan", f"registry:{target}", "--quiet", "--output", _WRITTEN[tool.name][0]]
    command = ["image", "--quiet", "--format", _WRITTEN[tool.name][0], "--image-src", "remote"]
    # Only the operator's own cache can hold the Java database, without which Trivy gives up on images with archives.
    command += ["--cache-dir", os.environ.get(_TRIVY_CACHE) or folder, "--cache-backend", "memory"]
    if tool.server:
        command += ["--server", tool.server]
    return [*command, "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--", target]


def _environment(tool: Tool, upstream: Upstream | None, folder: str) -> dict[str, str]:
    """What the program may know: how to reach the network, where to write, and who it is to this registry."""
    known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    known |= {"HOME": folder, "TMPDIR": folder, "DOCKER_CONFIG": folder, "XDG_CACHE_HOME": folder}
    if upstream is None:
        return known
    plain = urlsplit(upstream.base_url).scheme == "http"
    variables = _syft_variables if tool == "syft" else _trivy_variables
    return known | variables(upstream, plain=plain)


def _syft_variables(upstream: Upstream, *, plain: bool) -> dict[str, str]:
    found = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    if plain:
        found["SYFT_REGISTRY_INSECURE_USE_HTTP"] = "true"
    credential = upstream.credential
    if credential.kind == "anonymous":
        return found
    found["SYFT_REGISTRY_AUTH_AUTHORITY"] = urlsplit(upstream.base_url).netloc
    if credential.kind == "basic":
        return found | {
            "SYFT_REGISTRY_AUTH_USERNAME": credential.username,
            "SYFT_REGISTRY_AUTH_PASSWORD": credential.secret,
        }
    return found | {"SYFT_REGISTRY_AUTH_TOKEN": credential.secret}


def _trivy_variables(upstream: Upstream, *, plain: bool) -> dict[str, str]:
    found = {"TRIVY_NON_SSL": "true"} if plain else {}
    credential = upstream.credential
    if credential.kind == "basic":
        return found | {"TRIVY_USERNAME": credential.username, "TRIVY_PASSWORD": credential.secret}
    if credential.kind != "anonymous":
        return found | {"TRIVY_REGISTRY_TOKEN": credential.secret}
    return found


async def _output(command: list[str], environment: Mapping[str, str], tool: ExternalTool) -> bytes:
    """What the program writes, once it has ended well. It is gone afterwards, and whatever it started."""
    async with running(
        *command,
        kill=_kill_group,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environment),
        cwd=environment["HOME"],
        start_new_session=True,
    ) as process:
        try:
            async with asyncio.timeout(tool.seconds):
                raw = await _bounded(process, tool.name)
                code = await process.wait()
        except TimeoutError:
            raise UpstreamTimeout(f"{tool.name} did not finish within {tool.seconds:.0f} s.") from None
    if code != 0:
        raise UpstreamUnavailable(
            f"{tool.name} failed with exit code {code}.", hint="The operator can run it by hand to see why."
        )
    return raw


async def _bounded(process: asyncio.subprocess.Process, name: str) -> bytes:
    assert process.stdout is not None  # noqa: S101  (piped)
    found = bytearray()
    while chunk := await process.stdout.read(256 * 1024):
        found += chunk
        if len(found) > MAX_DOCUMENT:
            raise TooLarge(f"{name} wrote more than {MAX_DOCUMENT} bytes.")
    return bytes(found)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
