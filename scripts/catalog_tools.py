"""Write ``deploy/docker-mcp-catalog/tools.json`` from what the server lists without credentials, or check it.

    python scripts/catalog_tools.py [--check]

The catalogue wants a description for each argument; the schemas keep theirs short because a model pays for
every byte, so the common ones are described here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ENTRY: Final = Path(__file__).resolve().parent.parent / "deploy/docker-mcp-catalog/tools.json"
DEADLINE: Final = 60.0
MEANINGS: Final = {
    "image": "Image reference, as written after `docker pull`",
    "image1": "First image to compare",
    "image2": "Second image to compare",
    "base": "Base image to compare with, where the image does not name it",
    "repository": "Repository without tag or digest",
    "platform": "Platform as os/arch[/variant]",
    "registry": "Registry to ask",
    "query": "Words to look for",
    "limit": "Entries in one page",
    "page": "Page to show",
    "order": "Order of the entries",
    "pattern": "Glob that names must match",
    "raw": "Also return the exact bytes",
    "present": "Images that are already there and share layers",
    "tool": "One tool only",
    "architecture": "Only images for this architecture",
    "is_official": "Only official images, or only others",
    "is_verified_publisher": "Only images of verified publishers, or only others",
    "min_stars": "At least this many stars",
    "min_pulls": "At least this many pulls",
    "min_severity": "Least severity to show",
    "only_fixable": "Only what a newer version fixes",
    "package": "Only this package",
    "format": "Form of the answer",
    "name": "Only packages with this name",
    "type": "Only packages of this type",
    "license": "Only packages under this licence",
    "key": "Public key to verify with, as PEM",
    "identity": "Identity the signing certificate must have",
    "issuer": "Issuer the signing certificate must have",
    "vulnerabilities": "Also compare known vulnerabilities, which takes longer",
}


def main() -> int:
    text = json.dumps([entry(tool) for tool in listed()], indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        ENTRY.parent.mkdir(parents=True, exist_ok=True)
        ENTRY.write_text(text, encoding="utf-8")
        return 0
    if ENTRY.exists() and ENTRY.read_text(encoding="utf-8") == text:
        return 0
    print(f"{ENTRY.name} is not what the server lists: run scripts/catalog_tools.py", file=sys.stderr)
    return 1


def listed() -> list[dict[str, Any]]:
    """The tools a freshly started server lists, by name."""
    messages = (
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "catalogue", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
    )
    # The defaults are what is listed: nothing set on this machine may change them.
    own = ("MCP_DOCKERHUB_", "DOCKERHUB_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    with subprocess.Popen(
        [sys.executable, "-m", "mcp_dockerhub"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for message in messages:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            server.stdin.flush()
        answers = map(json.loads, server.stdout)
        tools: list[dict[str, Any]] = next(answer for answer in answers if answer.get("id") == 2)["result"]["tools"]
        server.stdin.close()
        server.wait(DEADLINE)
    return sorted(tools, key=lambda tool: str(tool["name"]))


def entry(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool in the catalogue's form."""
    schema = tool["inputSchema"]
    required = schema.get("required", ())
    arguments = [argument(name, field, name in required) for name, field in schema.get("properties", {}).items()]
    annotations = {"title": tool.get("title"), **tool.get("annotations", {})}
    return {
        "name": tool["name"],
        "description": tool["description"],
        **({"arguments": arguments} if arguments else {}),
        "annotations": {name: value for name, value in annotations.items() if value is not None},
    }


def argument(name: str, field: dict[str, Any], required: bool) -> dict[str, Any]:
    variants = [v for v in field.get("anyOf", [field]) if v.get("type") != "null"]
    kind = variants[0].get("type", "string")
    described: dict[str, Any] = {"name": name, "type": kind}
    if kind == "array":
        described["items"] = {"type": variants[0].get("items", {}).get("type", "string")}
    described["desc"] = field.get("description") or MEANINGS[name]
    return described if required else {**described, "optional": True}


if __name__ == "__main__":
    sys.exit(main())
