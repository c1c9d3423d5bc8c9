"""Rules: what they cover, and which decides."""

import time

import pytest

from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE, Principal
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.policy import Decision, Policy, PolicyDocument
from mcp_dockerhub_security.policy_call import EVERYBODY, Call
from mcp_dockerhub_security.policy_rules import READS, Globs, Rule, parse_network
from mcp_dockerhub_security.refusals import Needs, Refusal
from mcp_dockerhub_security.tenants import Tenant, Tenants
from tests.upstreams.guard_parts import AllowList, Credentials

NGINX = Target("docker.io", "library/nginx", "docker.io/library/nginx:1")
SECRET = Target("docker.io", "acme/secret", "docker.io/acme/secret:1")
PRIVATE = Target("registry.example.com", "team/app")
READING, CHANGING, DELETING = Operation(Level.LOW), Operation(Level.HIGH), Operation(Level.RESTRICTED)
ALL = frozenset({READ, READ_PRIVATE, WRITE, ADMIN})
NOW = 1_900_000_000.0


def token(*roles: str, tenant: str = "", scopes: frozenset[str] = ALL, auth_time: float | None = NOW) -> Principal:
    return Principal("ann", "token", tenant, scopes, roles=frozenset(roles), auth_time=auth_time)


LOCAL = Principal("local:ada", "local", "", ALL)


def policy(*rules: Rule, credentials: frozenset[str] = frozenset(), **document: object) -> Policy:
    parsed = PolicyDocument(rules, **document)  # type: ignore[arg-type]
    return Policy(AllowList(), Credentials(credentials), parsed, now=lambda: NOW)


def decide(decider: Policy, principal: Principal = LOCAL, operation: Operation = READING, *targets: Target,
           tool: str = "docker_get_manifest", address: str = "") -> Decision:  # fmt: skip
    return decider.decide(principal, operation, targets, tool=tool, address=address)


def deny(name: str = "no", **conditions: object) -> Rule:
    return Rule(name, allow=False, **conditions)  # type: ignore[arg-type]


def allow(name: str = "yes", **conditions: object) -> Rule:
    return Rule(name, allow=True, **{"levels": READS, **conditions})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("library/nginx", "library/nginx", True),
        ("library/nginx", "library/nginx2", False),
        ("library/*", "library/nginx", True),
        ("library/*", "library/a/b", False),
        ("library/**", "library/a/b", True),
        ("**/app", "a/b/app", True),
        ("*", "a/b", False),
        ("**", "", True),
        ("v?", "v1", True),
        ("v?", "v/", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("a.b", "axb", False),
        ("docker_*", "docker_get_manifest", True),
        ("library/nginx", "evil/library/nginx", False),
        ("library/nginx", "library/nginx\n", False),
    ],
)
def test_globs_cover_all_of_a_name_or_nothing(pattern: str, text: str, matches: bool) -> None:
    assert Globs.of([pattern]).match(text) is matches


@pytest.mark.parametrize("pattern", ["", "[a]", "a b", "a\\b", "{a,b}", "ä", "a" * 256, "^x$", "a|b"])
def test_globs_have_no_other_syntax(pattern: str) -> None:
    with pytest.raises(ValueError, match="wildcards"):
        Globs.of([pattern])


def test_several_patterns_are_alternatives() -> None:
    globs = Globs.of(["a/*", "b"])
    assert (globs.match("a/x"), globs.match("b"), globs.match("bx"), globs.match("a/xb")) == (True, True, False, True)


def test_without_rules_reads_are_allowed_and_changes_denied() -> None:
    assert decide(policy(), token(), READING, NGINX).rule == "level_low"
    denied = decide(policy(), token(), CHANGING, NGINX)
    assert (denied.allowed, denied.rule) == (False, "default_deny")
    assert "no rule allows HIGH" in denied.message
    assert decide(policy(), LOCAL, CHANGING, NGINX).allowed is False


def test_without_a_file_the_local_users_flags_decide_and_tokens_change_nothing() -> None:
    plain = Policy(AllowList(), now=lambda: NOW)
    assert decide(plain, LOCAL, CHANGING, NGINX).allowed
    assert decide(plain, LOCAL, DELETING, NGINX).allowed
    assert decide(plain, token(), CHANGING, NGINX).rule == "default_deny"


def test_the_first_rule_that_matches_decides() -> None:
    rules = (deny("first", repositories=Globs.of(["acme/*"])), allow("second"), deny("third"))
    assert decide(policy(*rules), LOCAL, READING, SECRET).rule == "policy first"
    assert decide(policy(*rules), LOCAL, READING, NGINX).rule == "policy second"


def test_a_denial_names_the_rule_the_tool_and_the_target_and_gives_the_reason() -> None:
    refused = decide(policy(deny("no-acme", reason="Ask the payments team.")), LOCAL, READING, SECRET)
    assert refused.message == 'The policy denies docker_get_manifest on docker.io/acme/secret:1: rule "no-acme".'
    assert refused.hint == "Ask the payments team."
    refusal = refused.refusal()
    assert (refusal.code, refusal.rule) == ("POLICY_DENIED", "policy no-acme")


def test_one_denied_target_denies_the_call() -> None:
    decider = policy(deny(repositories=Globs.of(["acme/**"])))
    assert decide(decider, LOCAL, READING, NGINX).allowed
    assert not decide(decider, LOCAL, READING, NGINX, SECRET).allowed
    assert not decide(decider, LOCAL, READING, SECRET, NGINX).allowed


def test_a_call_without_targets_meets_only_rules_that_name_none() -> None:
    assert decide(policy(deny(registries=Globs.of(["docker.io"]))), LOCAL, READING).allowed
    assert not decide(policy(deny(tools=Globs.of(["docker_*"]))), LOCAL, READING).allowed


@pytest.mark.parametrize(
    ("conditions", "principal", "tool", "address", "covered"),
    [
        ({"tools": Globs.of(["docker_get_*"])}, LOCAL, "docker_get_manifest", "", True),
        ({"tools": Globs.of(["docker_list_*"])}, LOCAL, "docker_get_manifest", "", False),
        ({"roles": frozenset({"dev", "ops"})}, token("ops"), "t", "", True),
        ({"roles": frozenset({"dev"})}, token("ops"), "t", "", False),
        ({"roles": frozenset({"dev"})}, LOCAL, "t", "", False),
        ({"tenants": frozenset({"a"})}, token(tenant="a"), "t", "", True),
        ({"tenants": frozenset({"a"})}, token(tenant="b"), "t", "", False),
        ({"levels": frozenset({Level.LOW})}, LOCAL, "t", "", True),
        ({"levels": frozenset({Level.HIGH})}, LOCAL, "t", "", False),
        ({"networks": (parse_network("10.0.0.0/8"),)}, token(), "t", "10.2.3.4", True),
        ({"networks": (parse_network("10.0.0.0/8"),)}, token(), "t", "11.2.3.4", False),
        ({"networks": (parse_network("10.0.0.0/8"),)}, token(), "t", "::ffff:10.2.3.4", True),
        ({"networks": (parse_network("2001:db8::/32"),)}, token(), "t", "2001:db8::1%eth0", True),
        ({"networks": (parse_network("10.0.0.0/8"),)}, token(), "t", "2001:db8::1", False),
    ],
)  # fmt: skip
def test_every_condition_that_is_given_must_hold(
    conditions: dict[str, object], principal: Principal, tool: str, address: str, covered: bool
) -> None:
    assert Rule("r", True, **conditions).covers_call(Call(principal, tool, address), Level.LOW) is covered  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "unknown", "300.1.1.1"])
def test_an_unknown_address_gets_no_allowance_and_no_exemption(address: str) -> None:
    networks = (parse_network("10.0.0.0/8"),)
    assert not decide(policy(deny(networks=networks)), token(), READING, NGINX, address=address).allowed
    assert (
        decide(policy(allow(networks=networks), deny()), token(), READING, NGINX, address=address).rule == "policy no"
    )
    # On stdio there is no address that anybody could lie about.
    assert decide(policy(deny(networks=networks)), LOCAL, READING, NGINX, address=address).allowed


def test_an_allowing_rule_covers_changes_only_where_its_levels_name_them() -> None:
    assert not decide(policy(allow()), token(), CHANGING, NGINX).allowed
    named = policy(allow(levels=frozenset({Level.HIGH})))
    assert decide(named, token(), CHANGING, NGINX).rule == "policy yes"
    assert not decide(named, token(), DELETING, NGINX).allowed


def test_credentials_are_used_only_where_rules_allow_it_for_every_target() -> None:
    credentials = frozenset({"docker.io", "registry.example.com"})
    free = decide(policy(credentials=credentials), token(), READING, NGINX)
    assert (free.level, free.private) == (Level.MEDIUM, True)
    bound = policy(deny(levels=frozenset({Level.MEDIUM}), registries=Globs.of(["registry.*"])), credentials=credentials)
    assert decide(bound, token(), READING, NGINX).private
    for targets in ((PRIVATE,), (NGINX, PRIVATE)):
        anonymous = decide(bound, token(), READING, *targets)
        assert (anonymous.allowed, anonymous.level, anonymous.private) == (True, Level.LOW, False)


def test_a_discovered_target_is_judged_as_the_call_is() -> None:
    rules = (
        deny("medium", levels=frozenset({Level.MEDIUM}), registries=Globs.of(["registry.*"])),
        deny("acme", repositories=Globs.of(["acme/*"]), tools=Globs.of(["docker_track_*"])),
    )
    decider = policy(*rules, credentials=frozenset({"registry.example.com"}))

    def check(target: Target, *, tool: str = "docker_track_base_updates", private: bool = False) -> str:
        try:
            decider.check_target(LOCAL, target.registry, target.repository, tool=tool, private=private)
        except Refusal as refusal:
            return refusal.rule
        return ""

    assert check(NGINX) == ""
    assert check(SECRET) == "policy acme"
    assert check(SECRET, tool="docker_get_manifest") == ""
    assert check(PRIVATE) == ""
    assert check(PRIVATE, private=True) == "policy medium"
    assert check(Target("evil.example", "x")) == "egress_registry"


def test_scopes_and_roles_must_both_allow() -> None:
    roles = {"dev": frozenset({READ}), "lead": frozenset({READ, WRITE}), EVERYBODY: frozenset({READ})}
    decider = policy(allow(levels=frozenset({Level.HIGH})), roles=roles)
    assert decide(decider, token("lead"), CHANGING, NGINX).allowed
    lacking = decide(decider, token("dev"), CHANGING, NGINX)
    assert (lacking.rule, lacking.needs) == ("role_lacks_scope", None)
    unlent = decide(decider, token("lead", scopes=frozenset({READ})), CHANGING, NGINX)
    assert (unlent.rule, unlent.needs) == ("scope_missing", Needs(scopes=(WRITE,)))
    assert decide(decider, token(), READING, NGINX).allowed
    assert decide(decider, token("unknown"), READING, NGINX).allowed
    assert not decide(policy(roles={"dev": frozenset({READ})}), token("other"), READING, NGINX).allowed


def test_roles_bound_the_use_of_credentials_too() -> None:
    decider = policy(roles={"dev": frozenset({READ})}, credentials=frozenset({"docker.io"}))
    decision = decide(decider, token("dev"), READING, NGINX)
    assert (decision.level, decision.private) == (Level.LOW, False)


def test_roles_say_nothing_about_the_local_user() -> None:
    assert decide(policy(roles={"dev": frozenset()}), LOCAL, READING, NGINX).allowed


def test_where_tenants_are_named_nobody_else_gets_in() -> None:
    decider = policy(tenants=Tenants({"acme": Tenant("acme")}))
    assert decide(decider, token(tenant="acme"), READING, NGINX).allowed
    for tenant in ("", "other"):
        refused = decide(decider, token(tenant=tenant), READING, NGINX)
        assert (refused.allowed, refused.rule) == (False, "tenant_unknown")
        with pytest.raises(Refusal, match="tenant"):
            decider.check_target(token(tenant=tenant), "docker.io", "library/nginx", private=False)
    assert decide(decider, LOCAL, READING, NGINX).allowed


class Own:
    """What one tenant may reach."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    def check_registry(self, host: str) -> None:
        if host not in self.hosts:
            raise Refusal("POLICY_DENIED", "not yours", rule="egress_registry")

    def has(self, registry: str) -> bool:
        return registry in self.hosts


def test_each_tenant_has_its_own_registries_and_credentials() -> None:
    decider = Policy(
        AllowList(),
        Credentials(frozenset({"docker.io"})),
        PolicyDocument(tenants=Tenants({"a": Tenant("a"), "b": Tenant("b")})),
        tenants={"a": Own("registry.a.example"), "b": Own("docker.io")},
    )
    mine = Target("registry.a.example", "x")
    assert decide(decider, token(tenant="a"), READING, mine).private
    assert decide(decider, token(tenant="a"), READING, NGINX).rule == "egress_registry"
    assert decide(decider, token(tenant="b"), READING, mine).rule == "egress_registry"
    assert decide(decider, LOCAL, READING, mine).rule == "egress_registry"


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (300, True), (301, False), (-30, True), (-31, False), (None, False)]
)
def test_restricted_needs_a_login_of_the_last_five_minutes(age: float | None, fresh: bool) -> None:
    decider = policy(allow(levels=frozenset({Level.RESTRICTED})))
    principal = token(auth_time=None if age is None else NOW - age)
    decision = decide(decider, principal, DELETING, NGINX)
    assert decision.allowed is fresh
    if not fresh:
        assert (decision.code, decision.rule, decision.needs) == (
            "AUTHENTICATION_FAILED",
            "login_too_old",
            Needs(max_age_s=300),
        )
        assert decision.refusal().needs == Needs(max_age_s=300)


def test_what_a_fresh_token_would_have_to_bring() -> None:
    decider = policy(allow(levels=frozenset({Level.HIGH, Level.RESTRICTED}), roles=frozenset({"ops"})))
    old = token("ops", scopes=frozenset({READ}), auth_time=NOW - 1_000)
    assert decider.missing(old, DELETING, tool="t") == Needs((ADMIN,), 300)
    assert decider.missing(old, CHANGING, tool="t") == Needs((WRITE,))
    assert decider.missing(token("ops", auth_time=None), DELETING, tool="t") == Needs(max_age_s=300)
    assert decider.missing(token("ops"), DELETING, tool="t") is None
    assert decider.missing(old, READING, tool="t") is None
    assert decider.missing(old, Operation(Level.PUBLIC), tool="t") is None
    # No token would help whom no rule allows it.
    assert decider.missing(token("dev", scopes=frozenset()), CHANGING, tool="t") is None
    assert decider.missing(LOCAL, CHANGING, tool="t") is None


@pytest.mark.parametrize(
    ("rules", "principal", "operation", "possible"),
    [
        ((), token(), READING, True),
        ((), token(), CHANGING, False),
        ((deny(),), token(), READING, False),
        ((deny(repositories=Globs.of(["a/**"])),), token(), READING, True),
        ((deny(levels=frozenset({Level.LOW})),), token(), READING, True),
        ((deny(levels=frozenset({Level.LOW, Level.MEDIUM})),), token(), READING, False),
        ((allow(levels=frozenset({Level.HIGH}), repositories=Globs.of(["a/**"])),), token(), CHANGING, True),
        ((deny(tools=Globs.of(["other"])),), token(), READING, True),
        ((deny(tools=Globs.of(["t"])), allow()), token(), READING, False),
        ((allow(repositories=Globs.of(["a"])), deny()), token(), READING, True),
        ((deny(networks=(parse_network("10.0.0.0/8"),)),), token(), READING, True),
        ((), token(scopes=frozenset()), READING, True),
        ((), Principal("local:x", "local", "", frozenset()), READING, False),
        ((), Principal("local:x", "local", "", frozenset()), Operation(Level.PUBLIC), True),
    ],
)  # fmt: skip
def test_a_tool_is_listed_unless_it_can_never_be_used(
    rules: tuple[Rule, ...], principal: Principal, operation: Operation, possible: bool
) -> None:
    assert policy(*rules).may_ever(principal, operation, tool="t") is possible


def test_a_tool_is_not_listed_to_whom_the_address_or_the_role_or_the_tenant_excludes() -> None:
    office = policy(deny(networks=(parse_network("10.0.0.0/8"),)))
    assert not office.may_ever(token(), READING, tool="t", address="10.1.1.1")
    assert office.may_ever(token(), READING, tool="t", address="11.1.1.1")
    assert not policy(roles={"dev": frozenset({WRITE})}).may_ever(token("dev"), READING, tool="t")
    assert not policy(tenants=Tenants({"a": Tenant("a")})).may_ever(token(), READING, tool="t")


def test_the_clock_is_the_wall_clock_by_default() -> None:
    decider = Policy(AllowList(), None, PolicyDocument((allow(levels=frozenset({Level.RESTRICTED})),)))
    assert decide(decider, token(auth_time=time.time()), DELETING, NGINX).allowed


@pytest.mark.parametrize("principal", [token(), token("dev"), LOCAL])
def test_a_rule_for_everybody_holds_for_everybody(principal: Principal) -> None:
    decision = decide(policy(deny(roles=frozenset({EVERYBODY}))), principal, READING, NGINX)
    assert (decision.allowed, decision.rule) == (False, "policy no")
