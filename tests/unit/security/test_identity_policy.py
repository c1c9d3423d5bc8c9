"""Who is calling, and what they may do."""

import os
import sys

import pytest

from mcp_dockerhub_security.grant import Grant, Target, current_grant, enter_grant, leave_grant
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE, LocalIdentity, Principal, local_scopes
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.policy import Policy
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.request import Request
from tests.upstreams.guard_parts import AllowList, Credentials

HUB = Target("docker.io", "library/nginx", "docker.io/library/nginx:latest")
PRIVATE = Target("registry.example.com", "team/app")


def principal(*scopes: str) -> Principal:
    return Principal("local:ada", "local", "", frozenset(scopes))


def policy(*registries: str) -> Policy:
    return Policy(AllowList(), Credentials(frozenset(registries)))


@pytest.mark.parametrize(
    ("credentials", "allow_writes", "scopes"),
    [
        (False, False, {READ}),
        (True, False, {READ, READ_PRIVATE}),
        (False, True, {READ, WRITE, ADMIN}),
        (True, True, {READ, READ_PRIVATE, WRITE, ADMIN}),
    ],
)
def test_scopes_follow_the_operators_flags(credentials: bool, allow_writes: bool, scopes: set[str]) -> None:
    assert local_scopes(credentials=credentials, allow_writes=allow_writes) == scopes


def test_the_local_principal_carries_the_clients_claim_cleaned_and_bounded() -> None:
    identity = LocalIdentity(frozenset({READ}), "ada\x1b[31m")
    first = identity.identify(Request("ping", client="probe\u202e/1" + "x" * 500))
    assert first.id == "local:ada"
    assert first.client.startswith("probe/1")
    assert len(first.client) <= 100
    assert identity.identify(Request("ping", client="other/2")).client == "other/2"


def test_the_same_client_gets_the_same_principal() -> None:
    identity = LocalIdentity(frozenset({READ}), "ada")
    assert identity.identify(Request("ping", client="c")) is identity.identify(Request("ping", client="c"))


def test_the_local_user_is_named_by_the_system_not_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "mallory")
    monkeypatch.setenv("LOGNAME", "mallory")
    assert LocalIdentity(frozenset()).identify(Request("ping")).id != "local:mallory"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54_321_987)
    assert LocalIdentity(frozenset()).identify(Request("ping")).id == "local:54321987"


def test_a_system_without_accounts_names_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setattr(os, "getlogin", lambda: "grace")
    assert LocalIdentity(frozenset()).identify(Request("ping")).id == "local:grace"


def test_a_read_is_low_and_anonymous_without_credentials() -> None:
    decision = policy().decide(principal(READ), Operation(Level.LOW), [HUB])
    assert (decision.allowed, decision.level, decision.private, decision.rule) == (True, Level.LOW, False, "level_low")


def test_a_read_that_would_use_credentials_is_medium() -> None:
    decision = policy("docker.io").decide(principal(READ, READ_PRIVATE), Operation(Level.LOW), [PRIVATE, HUB])
    assert (decision.allowed, decision.level, decision.private) == (True, Level.MEDIUM, True)


def test_without_the_scope_the_read_stays_anonymous() -> None:
    decision = policy("docker.io").decide(principal(READ), Operation(Level.LOW), [HUB])
    assert (decision.allowed, decision.level, decision.private) == (True, Level.LOW, False)


def test_credentials_for_another_registry_do_not_raise_the_level() -> None:
    decision = policy("registry.example.com").decide(principal(READ, READ_PRIVATE), Operation(Level.LOW), [HUB])
    assert decision.level is Level.LOW


def test_a_policy_without_credentials_never_reaches_medium() -> None:
    decision = Policy(AllowList()).decide(principal(READ, READ_PRIVATE), Operation(Level.LOW), [HUB])
    assert decision.level is Level.LOW


@pytest.mark.parametrize("targets", [[Target("evil.example", "x")], [HUB, Target("169.254.169.254", "x")]])
def test_every_target_must_be_on_an_allowed_registry(targets: list[Target]) -> None:
    decision = policy().decide(principal(READ), Operation(Level.LOW), targets)
    assert (decision.allowed, decision.rule) == (False, "egress_registry")
    assert decision.message


@pytest.mark.parametrize(
    ("level", "scopes", "rule"),
    [
        (Level.LOW, (), "scope_missing"),
        (Level.HIGH, (READ, READ_PRIVATE), "writes_not_allowed"),
        (Level.HIGH, (READ, ADMIN), "writes_not_allowed"),
        (Level.RESTRICTED, (READ, WRITE), "writes_not_allowed"),
    ],
)
def test_a_level_needs_its_scope(level: Level, scopes: tuple[str, ...], rule: str) -> None:
    decision = policy().decide(principal(*scopes), Operation(level), [])
    assert (decision.allowed, decision.rule) == (False, rule)
    assert decision.hint


@pytest.mark.parametrize(("level", "scope"), [(Level.PUBLIC, READ), (Level.HIGH, WRITE), (Level.RESTRICTED, ADMIN)])
def test_the_scope_is_enough(level: Level, scope: str) -> None:
    decision = policy().decide(principal(scope), Operation(level), [])
    assert (decision.allowed, decision.level) == (True, level)


def grant_for(*targets: Target) -> Grant:
    def check(grant: Grant, registry: str, repository: str) -> None:
        policy().check_target(grant.principal, registry, repository, private=grant.private)

    return Grant(principal(READ), "tools/call", "t", None, targets, Level.LOW, False, "", "1", check)


def test_a_grant_lets_through_what_was_decided_and_checks_what_was_not() -> None:
    grant = grant_for(Target("granted.example", "a/b"))
    grant.check_target("granted.example", "a/b")
    grant.check_target("docker.io", "library/debian")
    for registry, repository in (("granted.example", "other"), ("10.0.0.1", "a/b")):
        with pytest.raises(Refusal) as caught:
            grant.check_target(registry, repository)
        assert caught.value.code == "POLICY_DENIED"


def test_without_a_matching_grant_dispatch_fails_closed() -> None:
    with pytest.raises(Refusal, match="not granted"):
        current_grant("tools/call", "t")
    grant = grant_for()
    token = enter_grant(grant)
    try:
        assert current_grant("tools/call", "t") is grant
        for method, name in (("tools/call", "other"), ("resources/read", "t")):
            with pytest.raises(Refusal, match="not granted"):
                current_grant(method, name)
    finally:
        leave_grant(token)
    with pytest.raises(Refusal, match="not granted"):
        current_grant("tools/call", "t")


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (HUB, "docker.io/library/nginx:latest"),
        (PRIVATE, "registry.example.com/team/app"),
        (Target("ghcr.io"), "ghcr.io"),
    ],
)
def test_a_target_shows_the_most_it_knows(target: Target, shown: str) -> None:
    assert str(target) == shown
