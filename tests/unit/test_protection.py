"""Limits, logs and Redis of one process, as the settings want them."""

from pathlib import Path

import pytest

from mcp_dockerhub.protection import Protection
from mcp_dockerhub.protection_settings import ProtectionSettings, load_protection_settings
from mcp_dockerhub.settings import Settings, SettingsError, describe, load_settings
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_security.audit_keys import generate_key
from mcp_dockerhub_security.limits import MemoryLimiter
from mcp_dockerhub_security.redis_limits import RedisLimiter
from mcp_dockerhub_security.tenants import Tenant, Tenants
from tests.upstreams.audit_parts import records

pytestmark = pytest.mark.anyio

URL = "redis://:s3cret@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in (*ProtectionSettings.model_fields.values(), *Settings.model_fields.values()):
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def build(settings: Settings | None = None, tenants: Tenants | None = None) -> Protection:
    return Protection.build(settings or Settings(), tenants or Tenants(), Metrics())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"RATE_LIMIT_TENANT": "lots"}, "MCP_DOCKERHUB_RATE_LIMIT_TENANT: .*part 1 is not"),
        ({"RATE_LIMIT_GLOBAL": "0/second"}, "MCP_DOCKERHUB_RATE_LIMIT_GLOBAL: .*zero"),
        ({"REDIS_URL": "http://s3cret"}, "MCP_DOCKERHUB_REDIS_URL: .*redis://HOST"),
        ({"REDIS_PREFIX": "a b"}, "MCP_DOCKERHUB_REDIS_PREFIX: .*letters"),
        ({"REDIS_DOWN": "open"}, "MCP_DOCKERHUB_REDIS_DOWN: .*'closed' or 'local'"),
        ({"REDIS_URL": URL, "REDIS_DOWN": "local"}, "MCP_DOCKERHUB_REPLICAS: limits are divided by it"),
        ({"REPLICAS": "0"}, "MCP_DOCKERHUB_REPLICAS"),
        ({"AUDIT_FSYNC": "never"}, "MCP_DOCKERHUB_AUDIT_FSYNC"),
        ({"AUDIT_MAX_BYTES": "10"}, "MCP_DOCKERHUB_AUDIT_MAX_BYTES"),
        ({"AUDIT_RETENTION_DAYS": "0"}, "MCP_DOCKERHUB_AUDIT_RETENTION_DAYS"),
        ({"AUDIT_KEY": "s3cret"}, "MCP_DOCKERHUB_AUDIT_KEY: it is not an unencrypted private key"),
    ],
)
def test_what_cannot_be_used_stops_the_start_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], message: str
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"MCP_DOCKERHUB_{name}", value)
    with pytest.raises(SettingsError, match=message) as caught:
        build()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["rate_limit", "rate_limit_heavy"])
def test_a_principals_limits_must_be_readable_too(name: str) -> None:
    with pytest.raises(SettingsError, match=f"MCP_DOCKERHUB_{name.upper()}: part 1 is not"):
        build(load_settings({name: "lots"}))


def test_a_log_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MCP_DOCKERHUB_AUDIT_FILE: the audit log cannot be opened"):
        build(Settings(audit_file=str(tmp_path / "missing" / "audit.log")))
    tenants = Tenants({"red": Tenant("red", audit_file=str(tmp_path))})
    with pytest.raises(SettingsError, match="MCP_DOCKERHUB_POLICY_FILE: the audit log cannot be opened"):
        build(tenants=tenants)


def test_a_process_alone_has_limits_in_memory_and_needs_its_log() -> None:
    protection = build()
    assert isinstance(protection.limiter, MemoryLimiter)
    assert protection.readiness == ("audit",)
    assert protection.redis_problem() is None
    assert protection.audit_problem() is None
    assert protection.consents() is None
    assert protection.revocations() is None


@pytest.mark.parametrize(("down", "readiness"), [("closed", ("audit", "redis")), ("local", ("audit",))])
async def test_replicas_share_what_they_must_and_one_that_cannot_gets_no_traffic(
    monkeypatch: pytest.MonkeyPatch, down: str, readiness: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL", URL)
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_DOWN", down)
    monkeypatch.setenv("MCP_DOCKERHUB_REPLICAS", "3")
    protection = build()
    assert isinstance(protection.limiter, RedisLimiter)
    assert protection.readiness == readiness
    assert protection.consents() is not None
    assert protection.revocations() is not None
    async with protection.running():
        pass


def test_the_limits_that_hold_for_everyone_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_RATE_LIMIT_TENANT", "9/minute")
    monkeypatch.setenv("MCP_DOCKERHUB_RATE_LIMIT_GLOBAL", "5/second")
    protection = build(Settings(rate_limit="1/second", rate_limit_heavy="1/hour"))
    assert protection.rules.labels == ("1/second", "heavy 1/hour", "tenant 9/minute", "global 5/second")


async def test_tenants_have_logs_of_their_own_and_all_are_signed_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_key(tmp_path / "audit.pem")
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_KEY_FILE", str(tmp_path / "audit.pem"))
    tenants = Tenants({"red": Tenant("red", audit_file=str(tmp_path / "red.log")), "blue": Tenant("blue")})
    protection = build(Settings(audit_file=str(tmp_path / "audit.log")), tenants)
    assert set(protection.tenant_audits) == {"red"}
    async with protection.running():
        protection.audit.append("outcome", {})
        protection.tenant_audits["red"].append("outcome", {})
    for name in ("audit.log", "red.log"):
        assert [record["event"] for record in records(tmp_path / name)] == ["outcome", "checkpoint"]
        assert "signature" in records(tmp_path / name)[1]


def test_secrets_are_masked_and_may_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL_FILE", str(tmp_path / "url"))
    own = load_protection_settings()
    assert own.redis_url is not None
    assert own.redis_url.get_secret_value() == URL
    shown = dict(describe(own))
    assert shown["MCP_DOCKERHUB_REDIS_URL"] == "(set)"
    assert shown["MCP_DOCKERHUB_AUDIT_KEY"] == "(not set)"
