"""Run the official conformance suite against the server, for both protocol eras, through the whole security stack.

``python -m tests.conformance.suite PACKAGES OUTPUT``: the suite's packages are installed in PACKAGES (see
``scripts/conformance``), results go below OUTPUT. Exit code 0 when every scored scenario passes.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.conformance.front import front
from tests.upstreams.issuer import Issuer

REVISIONS = ("2025-11-25", "2026-07-28")
RESOURCE = "https://conformance.example/mcp"
SCOPES = "dockerhub:read"
START = 30.0
"""Seconds the server may take to start."""
LENGTH = 900.0
"""Seconds one revision may take."""
_KEPT = (
    "PATH",
    "HOME",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "VIRTUAL_ENV",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
)


def environment(issuer: Issuer, folder: Path, *, sessions: bool) -> dict[str, str]:
    """Settings of a protected server behind a proxy; sessions are what questions by push need."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "MCP_DOCKERHUB_PORT": "0",
        "MCP_DOCKERHUB_PUBLIC_URL": RESOURCE,
        "MCP_DOCKERHUB_ISSUER": issuer.url,
        "MCP_DOCKERHUB_ALLOWED_HOSTS": "127.0.0.1:*,localhost:*",
        "MCP_DOCKERHUB_ALLOWED_ORIGINS": "http://127.0.0.1:*,http://localhost:*",
        "MCP_DOCKERHUB_TRUSTED_PROXIES": "127.0.0.1",
        "MCP_DOCKERHUB_SESSIONS": str(sessions).lower(),
        "MCP_DOCKERHUB_AUDIT_FILE": str(folder / "audit.jsonl"),
        "MCP_DOCKERHUB_RATE_LIMIT": "100000/second",
        "MCP_DOCKERHUB_LOG_LEVEL": "info",
        "DOCKER_CONFIG": str(folder),
    }


@asynccontextmanager
async def variant(settings: Mapping[str, str], log: Path) -> AsyncIterator[int]:
    """The server with fixtures; gives its port."""
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.conformance.variant", env=dict(settings), stderr=errors
        )
    try:
        async with asyncio.timeout(START):
            port = await _port(process, log)
        yield port
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _port(process: asyncio.subprocess.Process, log: Path) -> int:
    while True:
        text = await asyncio.to_thread(log.read_text)
        for line in text.splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "listening":
                    return int(event["port"])
        if process.returncode is not None:
            raise RuntimeError(f"the server did not start:\n{text}")
        await asyncio.sleep(0.05)


async def run_suite(packages: Path, revision: str, url: str, output: Path) -> tuple[int, str]:
    """Exit code and output of the suite for one revision."""
    process = await asyncio.create_subprocess_exec(
        str(packages / "node/bin/node"),
        str(packages / "@modelcontextprotocol/conformance/dist/index.js"),
        "server",
        *("--url", url, "--requirements", revision, "-o", str(output)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LENGTH):
            text, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        return 1, "the suite did not end"
    return process.returncode or 0, text.decode()


async def conform(packages: Path, output: Path) -> int:
    """Both revisions, one after the other; prints a summary of each."""
    failed = 0
    for revision in REVISIONS:
        folder = output / revision
        folder.mkdir(parents=True, exist_ok=True)
        code, text = await _one(packages, revision, folder)
        (folder / "suite.log").write_text(text)
        print(f"{revision}: {'passed' if code == 0 else 'FAILED'}\n{text.partition('=== SUMMARY ===')[2] or text}")
        failed |= code
    return 1 if failed else 0


async def _one(packages: Path, revision: str, folder: Path) -> tuple[int, str]:
    with Issuer(audience=RESOURCE) as issuer, tempfile.TemporaryDirectory() as scratch:
        settings = environment(issuer, Path(scratch), sessions=revision < "2026")
        async with (
            variant(settings, folder / "server.log") as port,
            front(lambda: ("127.0.0.1", port), lambda: issuer.mint(scope=SCOPES)) as proxy,
        ):
            return await run_suite(packages, revision, f"http://127.0.0.1:{proxy}/mcp", folder)


def main() -> int:
    packages, output = map(Path, sys.argv[1:3])
    return asyncio.run(conform(packages, output))


if __name__ == "__main__":
    sys.exit(main())
