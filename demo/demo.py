"""`make demo`: the installed server answers ten questions, over stdio, about images on a registry of this machine.

Everything runs on loopback: a registry and a stand-in Hub seeded with real images' facts, an OSV with real advisories,
the server as a subprocess behind the official MCP client. Then come the audit records and the metrics of just those
calls.
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from tests.upstreams.layers import OS_RELEASE, STATUS, Member, metadata, tar_of
from tests.upstreams.osv import real_records
from tests.upstreams.seeded import Upstreams, running_upstreams

COMMAND: Final = str(Path(sys.executable).with_name("mcp-dockerhub"))
PATIENCE: Final = 60.0
"""Seconds one answer may take."""
LONGEST_ANSWER: Final = 24
"""Lines shown of one answer."""
APPLICATION: Final = "demo/application:1"
PACKAGES: Final = {"requests": "2.19.0", "urllib3": "1.23", "jinja2": "2.10", "six": "1.17.0"}
"""What the application is made of, beside the three Debian packages of its base."""
EMPTY_LABEL: Final = r'\w+="",|,\w+=""'


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


QUESTIONS: Final = (
    Question("Which images are there for nginx?", "docker_search_images", {"query": "nginx"}),
    Question("What is in nginx:alpine?", "docker_get_image_details", {"image": "nginx:alpine"}),
    Question("How does it differ from nginx?", "docker_compare_images", {"image1": "nginx:alpine", "image2": "nginx"}),
    Question("What is its history?", "docker_get_image_history", {"image": "nginx:alpine"}),
    Question(
        "Which tags of nginx 1.31 exist?",
        "docker_list_tags",
        {"repository": "nginx", "pattern": "1.31*", "order": "version", "limit": 8},
    ),
    Question(
        "How much do I pull for nginx:alpine when alpine:3.24 is here already?",
        "docker_estimate_pull_size",
        {"image": "nginx:alpine", "present": ["alpine:3.24"]},
    ),
    Question(
        "For which platforms is there a redis:8.10.2-alpine?",
        "docker_get_manifest",
        {"image": "redis:8.10.2-alpine"},
    ),
    Question(
        "Has the base of python:slim been rebuilt since?",
        "docker_track_base_updates",
        {"image": "python:slim"},
    ),
    Question("What is in the application that nobody wrote an SBOM for?", "docker_get_sbom", {"image": APPLICATION}),
    Question("What is known to be wrong with it?", "docker_get_vulnerabilities", {"image": APPLICATION}),
)


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-demo-") as folder, running_upstreams() as upstreams:
        audit = Path(folder) / "audit.jsonl"
        port = _free_port()
        settings = upstreams.settings(Path(folder)) | {
            "MCP_DOCKERHUB_AUDIT_FILE": str(audit),
            "MCP_DOCKERHUB_METRICS_PORT": str(port),
            "MCP_DOCKERHUB_LOG_LEVEL": "warning",
        }
        _add_application(upstreams)
        print(f"A registry at {upstreams.registry.url}, a Hub at {upstreams.hub_url}, an OSV at {upstreams.osv_url}.")
        metrics, failed = anyio.run(_ask_everything, settings, port)
        _heading("What was written down about these calls")
        _print_audit(audit)
        print(_run("audit", "verify", str(audit)))
        _heading("What was measured")
        _print_metrics(metrics)
    print(f"\n{len(QUESTIONS)} questions, {failed} failed, {time.monotonic() - started:.1f} s.")
    return 1 if failed else 0


def _add_application(upstreams: Upstreams) -> None:
    """An image with real layers and no documents attached, and the real advisories about what is in it."""
    base = tar_of([Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS)])
    installed = [
        Member(f"app/{name}-{version}.dist-info/METADATA", metadata(name, version))
        for name, version in PACKAGES.items()
    ]
    repository, _, tag = APPLICATION.partition(":")
    upstreams.registry.add_image(repository, tag, layers=(base, tar_of(installed)))
    for record in real_records():
        upstreams.osv.publish(record)


async def _ask_everything(settings: dict[str, str], port: int) -> tuple[str, int]:
    """Ask all questions in one session; the server's metrics at its end, and how many answers were errors."""
    parameters = StdioServerParameters(command=COMMAND, args=["serve"], env=settings)
    failed = 0
    async with Client(parameters, read_timeout_seconds=PATIENCE) as client:
        for number, question in enumerate(QUESTIONS, start=1):
            _heading(f"{number}. {question.text}")
            print(f"   {question.tool} {json.dumps(dict(question.arguments))}\n")
            answer = await client.call_tool(question.tool, dict(question.arguments))
            _print_answer(answer)
            failed += answer.is_error
        return await anyio.to_thread.run_sync(_scrape, port), failed


def _print_answer(answer: CallToolResult) -> None:
    text = "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
    lines = text.splitlines()
    for line in lines[:LONGEST_ANSWER]:
        print(f"   {line}")
    if len(lines) > LONGEST_ANSWER:
        print(f"   … {len(lines) - LONGEST_ANSWER} more lines")


def _print_audit(audit: Path) -> None:
    for line in audit.read_text().splitlines():
        record = json.loads(line)
        facts = f"{record['event']:<9}"
        if record["event"] == "outcome":
            operation = record["tool"] or record["method"]
            facts += f"{record['principal']}  {operation:<28}{record['outcome']:<4}{record['duration_ms']:>7.1f} ms"
        targets = " ".join(record.get("target", ()))
        print(f"   {record['sequence']:>3}  {record['hash'][:12]}  {facts}  {targets}".rstrip())


def _print_metrics(exposition: str) -> None:
    for line in exposition.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("mcp_") and name.partition("{")[0].endswith("_total") and float(value):
            print(f"   {re.sub(EMPTY_LABEL, '', name)} {float(value):g}")


def _heading(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        exposition: bytes = response.read()
        return exposition.decode()


def _run(*arguments: str) -> str:
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True)
    return "   " + done.stdout.strip()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
