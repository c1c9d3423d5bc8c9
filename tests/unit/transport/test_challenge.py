"""WWW-Authenticate headers, as registries send them."""

import pytest

from mcp_dockerhub.transport.challenge import Challenge, parse_challenges

HUB = {
    "realm": "https://auth.docker.io/token",
    "service": "registry.docker.io",
    "scope": "repository:library/nginx:pull,push",
}


def one(value: str) -> tuple[Challenge, ...]:
    return parse_challenges([value])


def test_quoted_commas_belong_to_their_value() -> None:
    text = ",".join(f'{name}="{value}"' for name, value in HUB.items())
    (challenge,) = one(f"Bearer {text}")
    assert challenge == Challenge("bearer", HUB)
    assert (challenge.realm, challenge.service, challenge.scope) == tuple(HUB.values())


def test_missing_parameters_read_as_empty() -> None:
    (challenge,) = one("Bearer")
    assert (challenge.realm, challenge.service, challenge.scope) == ("", "", "")


@pytest.mark.parametrize(
    ("value", "schemes"),
    [
        ('Bearer realm="https://codeberg.org/v2/token",service="container_registry",scope="*",Basic realm="x"', 2),
        ('Basic realm="x", Bearer realm="https://codeberg.org/v2/token"', 2),
        ('Negotiate, Basic realm="x", Bearer realm="y"', 3),
        ("Negotiate, Basic", 2),
        ('Negotiate a87421000492aa874209af8bc028==, Basic realm="x"', 2),
        (", ,Basic realm=x,, Bearer realm=y , ", 2),
        ('basic REALM = "x"', 1),
        ("Basic", 1),
        ("", 0),
        ('"quoted" nonsense', 0),
        ('Bearer realm="unterminated', 1),
        ("=;=", 0),
    ],
)
def test_challenges_in_one_header_are_told_apart(value: str, schemes: int) -> None:
    challenges = one(value)
    assert len(challenges) == schemes
    assert all(challenge.scheme == challenge.scheme.lower() for challenge in challenges)


def test_several_headers_give_their_challenges_in_order() -> None:
    challenges = parse_challenges(['Basic realm="x"', "Bearer realm=https://h.example/token,service=s"])
    assert [c.scheme for c in challenges] == ["basic", "bearer"]
    assert challenges[1].realm == "https://h.example/token"
    assert challenges[1].service == "s"


def test_escapes_in_quoted_values_are_undone() -> None:
    (challenge,) = one(r'Basic realm="a \"quoted\" \\ name"')
    assert challenge.realm == r'a "quoted" \ name'


def test_the_first_of_a_repeated_parameter_counts() -> None:
    (challenge,) = one('Bearer realm="https://a.example", realm="https://b.example"')
    assert challenge.realm == "https://a.example"
