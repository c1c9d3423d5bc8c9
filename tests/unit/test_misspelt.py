"""Names that look like settings."""

import re
from pathlib import Path

import pytest

from mcp_dockerhub.misspelt import MOST, configuration_warnings, misspelt
from mcp_dockerhub.settings import Settings

CONFIGURATION = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_every_documented_setting_is_known_and_so_is_what_has_nothing_to_do_with_us() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)`", CONFIGURATION.read_text(), re.MULTILINE)
    assert len(documented) > 50
    assert misspelt([*documented, "MCP_DOCKERHUB_AUDIT_KEY_FILE", "PATH", "DOCKERHUB_USER", "MCP_OTHER"]) == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MCP_DOCKERHUB_AUDITKEY", "MCP_DOCKERHUB_AUDIT_KEY"),
        ("MCP_DOCKERHUB_ALLOWED_REGISTRY", "MCP_DOCKERHUB_ALLOWED_REGISTRIES"),
        ("mcp_dockerhub_policy_file", "MCP_DOCKERHUB_POLICY_FILE"),
        ("MCP_DOCKERHUB_ISUER", "MCP_DOCKERHUB_ISSUER"),
        ("MCP_DOCKERHUB_LOG_LEVEL_FILE", "MCP_DOCKERHUB_LOG_LEVEL"),
    ],
)
def test_a_misspelt_one_is_named_with_what_was_meant(name: str, meant: str) -> None:
    assert misspelt([name]) == (f"{name} is set and is no setting; did you mean {meant}?",)


def test_one_like_nothing_is_named_too_and_endless_ones_are_not() -> None:
    (said,) = misspelt(["MCP_DOCKERHUB_X9"])
    assert said == "MCP_DOCKERHUB_X9 is set and is no setting; docs/configuration.md lists all."
    assert len(misspelt(f"MCP_DOCKERHUB_X{number}" for number in range(1000))) == MOST


def test_a_variable_that_holds_a_secret_of_the_policys_is_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("password_env = \"MCP_DOCKERHUB_PAYMENTS\"\ntoken_env = 'MCP_DOCKERHUB_TEAM_B'\n")
    for name in ("MCP_DOCKERHUB_PAYMENTS", "MCP_DOCKERHUB_TEAM_B", "MCP_DOCKERHUB_TEAM"):
        monkeypatch.setenv(name, "secret")

    def named(settings: Settings) -> list[str]:
        return [warning.partition(" ")[0] for warning in configuration_warnings(settings) if " is no " in warning]

    assert named(Settings(policy_file=policy)) == ["MCP_DOCKERHUB_TEAM"]
    assert len(named(Settings())) == len(named(Settings(policy_file=tmp_path / "none"))) == 3
