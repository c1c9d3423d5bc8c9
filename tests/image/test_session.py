"""A whole MCP session with the image, under every flag the documentation recommends."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.image.engine import HARDENED, ROOT, Container, docker, probe

TIGHT = (*HARDENED, "--memory=192m", "--memory-swap=192m", "--pids-limit=64")
UNLIMITED = "1000000/second"


def test_a_session_without_network_or_credentials_is_complete_and_truthful(image: str) -> None:
    with Container(image) as container:
        greeting = container.initialize()
        assert greeting["serverInfo"]["name"] == "mcp-dockerhub"
        assert greeting["serverInfo"]["version"] == _version()

        tools = {tool["name"] for tool in container.request("tools/list")["tools"]}
        assert {"docker_get_image_details", "docker_list_tags", "get_server_info"} <= tools
        assert container.request("prompts/list")["prompts"]
        assert container.request("resources/templates/list")["resourceTemplates"]

        information = container.call("get_server_info")
        assert not information.get("isError"), information

        unreachable = container.call("docker_get_image_details", image="nginx:1.29")
        assert unreachable["isError"]
        assert unreachable["structuredContent"]["code"] == "UPSTREAM_UNAVAILABLE", "no network is not «not found»"

        refused = container.call("docker_get_image_details", image="not a reference!")
        assert refused["structuredContent"]["code"] == "INVALID_INPUT"

        assert container.hang_up() == 0


def test_the_stateless_protocol_is_answered_too(image: str) -> None:
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "image-test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with Container(image) as container:
        found = container.request("server/discover", {"_meta": meta})
        assert version in json.dumps(found)
        assert container.hang_up() == 0


def test_the_tools_of_the_catalogue_entry_are_those_the_image_lists(server: Container) -> None:
    entry = json.loads((ROOT / "deploy/docker-mcp-catalog/tools.json").read_text())
    listed = server.request("tools/list")["tools"]
    assert {tool["name"] for tool in entry} == {tool["name"] for tool in listed}


def test_a_term_signal_ends_it_within_two_seconds(image: str) -> None:
    with Container(image, keep=True) as container:
        container.initialize()
        docker("kill", "--signal=TERM", container.name)
        assert container.wait(timeout=2.0) in (0, 143)
        assert container.state()["State"]["OOMKilled"] is False


def test_a_term_signal_before_the_handshake_ends_it_too(image: str) -> None:
    with Container(image, keep=True) as container:
        container.answer(container.send("ping"))
        docker("kill", "--signal=TERM", container.name)
        assert container.wait(timeout=2.0) in (0, 143)


def test_it_stays_within_its_memory_and_processes_under_load(image: str, measured: dict[str, object]) -> None:
    limits = {"MCP_DOCKERHUB_RATE_LIMIT": UNLIMITED}
    with Container(image, flags=TIGHT, environment=limits, keep=True) as container:
        container.initialize()
        for _ in range(10):
            asked = [
                container.send("tools/call", {"name": name, "arguments": arguments})
                for _ in range(50)
                for name, arguments in (
                    ("get_server_info", {}),
                    ("docker_get_image_details", {"image": "nginx"}),
                    ("docker_list_tags", {"repository": "x" * 5000}),
                )
            ]
            assert all("result" in container.answer(number) for number in asked)
        peak = container.run_inside(
            "import json, pathlib\n"
            "root = pathlib.Path('/sys/fs/cgroup')\n"
            "files = ('memory.peak', 'memory/memory.max_usage_in_bytes', 'memory.current')\n"
            "found = [root / name for name in files if (root / name).exists()]\n"
            "print(json.dumps(int(found[0].read_text()) if found else 0))"
        )
        measured["peak_memory_bytes"] = peak
        assert container.hang_up() == 0
        state = container.state()["State"]
        assert state["OOMKilled"] is False
        assert state["ExitCode"] == 0


def test_a_secret_in_a_file_is_read_and_never_shown(image: str, tmp_path: Path) -> None:
    secret = "dckr_pat_image_test_secret"  # not a real one
    tmp_path.chmod(0o755)
    (tmp_path / "token").write_text(secret)
    flags = ("--network=none", f"--volume={tmp_path}:/run/secrets:ro")
    variables = ("--env=DOCKERHUB_USERNAME=somebody", "--env=DOCKERHUB_TOKEN_FILE=/run/secrets/token")
    done = docker("run", "--rm", *flags, *variables, image, "config")
    line = next(line for line in done.stdout.splitlines() if line.startswith("DOCKERHUB_TOKEN="))
    assert line != "DOCKERHUB_TOKEN="
    assert secret not in done.stdout + done.stderr


def test_a_configuration_that_cannot_be_used_ends_the_start_with_its_name(image: str) -> None:
    done = docker("run", "--rm", "--network=none", "--env=MCP_DOCKERHUB_LOG_LEVEL=loud", image, "config", check=False)
    assert done.returncode == 2
    assert "MCP_DOCKERHUB_LOG_LEVEL" in done.stderr


def test_nothing_is_compiled_at_run_time(image: str) -> None:
    """Every module of a session comes from bytecode in the image."""
    flags = (*HARDENED, "--entrypoint=/usr/bin/python3")
    with Container(image, flags=flags, arguments=("-IBv", "/app")) as container:
        container.initialize()
        container.request("tools/list")
        container.call("docker_get_image_details", image="nginx")
        container.call("get_server_info")
        assert container.hang_up() == 0
        container.drain()
        origins = [line.split("'")[1] for line in container.errors if line.startswith("# code object from '")]
        assert len(origins) > 300
        assert [origin for origin in origins if not origin.endswith(".pyc")] == []


def test_bytecode_is_valid_for_the_interpreter_of_the_image(image: str) -> None:
    checked = probe(
        image,
        "import importlib.util, json, pathlib\n"
        "magic = importlib.util.MAGIC_NUMBER\n"
        "heads = [path.open('rb').read(8) for folder in ('/app', '/usr/lib/python3.13')\n"
        "         for path in pathlib.Path(folder).rglob('*.pyc')]\n"
        "print(json.dumps([len(heads), sum(head != magic + bytes((1, 0, 0, 0)) for head in heads)]))",
        "--network=none",
    )
    assert checked[0] > 1000
    assert checked[1] == 0, "bytecode of another version, or checked against file times"


@pytest.mark.parametrize("health", [{}, {"MCP_DOCKERHUB_METRICS_PORT": "9464"}], ids=["stdio", "metrics port"])
def test_the_health_check_turns_green(image: str, health: dict[str, str]) -> None:
    flags = (*HARDENED, "--health-interval=1s", "--health-start-period=1s")
    with Container(image, flags=flags, environment=health) as container:
        container.initialize()
        assert container.becomes_healthy()


def test_the_health_check_fails_where_the_metrics_port_is_dead(image: str) -> None:
    done = docker(
        "run", "--rm", "--network=none", "--env=MCP_DOCKERHUB_METRICS_PORT=9464", image, "healthcheck", check=False
    )
    assert done.returncode == 1


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version: str = project["project"]["version"]
    return version
