"""Whatever the rules: the first match decides, deny is the default for changes, and narrowing never widens."""

import asyncio
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_security.consent import Effect, HumanConsent
from mcp_dockerhub_security.consent_store import MemoryConsentStore
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.human import Answer, InputRequired, Reply
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.policy import Policy, PolicyDocument
from mcp_dockerhub_security.policy_rules import READS, Globs, Rule
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import AllowList

ALL = frozenset({READ, READ_PRIVATE, WRITE, ADMIN})
NAMES = st.sampled_from(["a", "b", "ab", "a/b", "a/b/c", "library/nginx"])
PATTERNS = st.sampled_from(["a", "*", "**", "a/*", "a/**", "?", "library/*", "**/b"])
LEVELS = st.sets(st.sampled_from(list(Level)), min_size=1).map(frozenset)
ROLES = st.sets(st.sampled_from(["dev", "ops"])).map(frozenset)


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    count = draw(st.integers(0, 6))
    made = []
    for number in range(count):
        allow = draw(st.booleans())
        made.append(
            Rule(
                f"r{number}",
                allow,
                levels=draw(LEVELS),
                roles=draw(ROLES),
                repositories=Globs.of(draw(st.lists(PATTERNS, max_size=2))),
            )
        )
    return tuple(made)


PRINCIPALS = st.builds(lambda roles: Principal("ann", "token", "", ALL, roles=roles, auth_time=1_000.0), ROLES)
OPERATIONS = st.sampled_from([Level.PUBLIC, Level.LOW, Level.HIGH, Level.RESTRICTED]).map(Operation)


def _policy(made: tuple[Rule, ...]) -> Policy:
    return Policy(AllowList(), None, PolicyDocument(made), now=lambda: 1_000.0)


def _expected(made: tuple[Rule, ...], principal: Principal, level: Level, repository: str) -> bool:
    for rule in made:
        fits = level in rule.levels and (not rule.roles or bool(rule.roles & principal.roles))
        if fits and rule.repositories.match(repository):
            return rule.allow
    return level in READS


@given(rules(), PRINCIPALS, OPERATIONS, st.lists(NAMES, min_size=1, max_size=3))
def test_the_first_matching_rule_decides_each_target(
    made: tuple[Rule, ...], principal: Principal, operation: Operation, names: list[str]
) -> None:
    targets = [Target("docker.io", name) for name in names]
    decision = _policy(made).decide(principal, operation, targets, tool="t")
    assert decision.allowed is all(_expected(made, principal, operation.level, name) for name in names)


@given(rules(), PRINCIPALS, OPERATIONS, NAMES)
def test_what_is_allowed_is_also_listed(
    made: tuple[Rule, ...], principal: Principal, operation: Operation, name: str
) -> None:
    policy = _policy(made)
    if policy.decide(principal, operation, [Target("docker.io", name)], tool="t").allowed:
        assert policy.may_ever(principal, operation, tool="t")


@given(rules(), PRINCIPALS, OPERATIONS, NAMES)
def test_fewer_scopes_never_allow_more(
    made: tuple[Rule, ...], principal: Principal, operation: Operation, name: str
) -> None:
    policy, target = _policy(made), [Target("docker.io", name)]
    less = Principal("ann", "token", "", frozenset({READ}), roles=principal.roles, auth_time=principal.auth_time)
    if policy.decide(less, operation, target, tool="t").allowed:
        assert policy.decide(principal, operation, target, tool="t").allowed


@given(rules(), PRINCIPALS, NAMES)
def test_a_discovered_target_is_read_only_where_it_could_have_been_named(
    made: tuple[Rule, ...], principal: Principal, name: str
) -> None:
    policy = _policy(made)
    named = policy.decide(principal, Operation(Level.LOW), [Target("docker.io", name)], tool="t").allowed
    try:
        policy.check_target(principal, "docker.io", name, tool="t", private=False)
    except Refusal:
        assert not named
    else:
        assert named


SIMPLE = st.text("ab?*.", min_size=1, max_size=6).filter(lambda text: "**" not in text)


@given(SIMPLE, st.text("ab.", max_size=6))
def test_globs_agree_with_the_shells_where_there_are_no_slashes(pattern: str, text: str) -> None:
    assert Globs.of([pattern]).match(text) is fnmatchcase(text, pattern)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


class _Later:
    def __init__(self, reply: Reply | None) -> None:
        self.reply = reply

    async def ask(self, question: str, nonce: str, timeout_s: float) -> Answer:
        raise InputRequired(question, nonce)


@given(ARGUMENTS, ARGUMENTS)
def test_consent_counts_for_equal_arguments_only(asked: dict[str, object], used: dict[str, object]) -> None:
    principal = Principal("ann", "token", "", ALL)

    def effect(arguments: dict[str, object], reply: Reply | None) -> Effect:
        return Effect(principal, "tools/call", "t", Level.HIGH, arguments, (), _Later(reply))

    async def run() -> bool:
        consent = HumanConsent(MemoryConsentStore())
        reply = None
        try:
            await consent.require(effect(asked, None))
        except InputRequired as required:
            reply = Reply(required.nonce, Answer.ACCEPT)
        try:
            await consent.require(effect(used, reply))
        except Refusal:
            return False
        return True

    # True and 1 are equal to Python, but not in JSON.
    same = repr(_canonical(asked)) == repr(_canonical(used))
    assert asyncio.run(run()) is same


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, repr(_canonical(item))) for key, item in value.items())
    return [_canonical(item) for item in value] if isinstance(value, list) else value
