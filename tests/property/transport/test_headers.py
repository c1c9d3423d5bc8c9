"""Parsers of headers, on anything that may come."""

import email.utils

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.transport.challenge import parse_challenges
from mcp_dockerhub.transport.quota import read_quota
from mcp_dockerhub.transport.retry_after import MAX_WAIT, parse_retry_after

NOW = 1_750_000_000
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=200)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~!#$%&'*+^`|", min_size=1, max_size=10)
PARAMETERS = st.dictionaries(TOKEN, HEADER_TEXT, max_size=4)
CHALLENGES = st.lists(st.tuples(TOKEN, PARAMETERS), max_size=4)


@given(HEADER_TEXT, st.floats(0, 4e9))
def test_a_wait_is_always_sensible(value: str, now: float) -> None:
    wait = parse_retry_after(value, now)
    assert wait is None or 0 <= wait <= MAX_WAIT


@given(st.integers(0, int(MAX_WAIT)))
def test_every_form_of_the_same_moment_means_the_same_wait(wait: int) -> None:
    at = NOW + wait
    forms = (str(wait), str(at), str(at * 1000), email.utils.formatdate(at, usegmt=True))
    assert {parse_retry_after(form, NOW) for form in forms} == {float(wait)}


@given(st.lists(HEADER_TEXT, max_size=3))
def test_any_challenge_header_is_read_without_failing(values: list[str]) -> None:
    for challenge in parse_challenges(values):
        assert challenge.scheme
        assert all(name == name.lower() for name in challenge.parameters)


@given(CHALLENGES)
def test_challenges_survive_being_written_into_one_header(challenges: list[tuple[str, dict[str, str]]]) -> None:
    read = parse_challenges([", ".join(_written(scheme, parameters) for scheme, parameters in challenges)])
    assert [(c.scheme, dict(c.parameters)) for c in read] == challenges


def _written(scheme: str, parameters: dict[str, str]) -> str:
    quoted = (
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in parameters.items()
    )
    return f"{scheme} {', '.join(quoted)}".rstrip(" ")


@given(HEADER_TEXT, HEADER_TEXT)
def test_any_quota_header_is_read_without_failing(limit: str, remaining: str) -> None:
    read_quota(httpx2.Headers({"ratelimit-limit": limit, "ratelimit-remaining": remaining}, encoding="latin-1"))


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**7))
def test_a_quota_is_read_as_written(limit: int, remaining: int, window: int) -> None:
    reading = read_quota(
        httpx2.Headers({"RateLimit-Limit": f"{limit};w={window}", "RateLimit-Remaining": f"{remaining};w={window}"})
    )
    assert reading is not None
    assert (reading.limit, reading.remaining, reading.window_s) == (limit, remaining, window)
