"""Any JSON value as parameters ends in a bounded refusal or within bounds; redaction never leaks what it names."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_security.redaction import WITHHELD, is_secret_name, redact_command, redact_pair
from mcp_dockerhub_security.refusals import Refusal, error_content
from mcp_dockerhub_security.text import clean_identifier
from mcp_dockerhub_security.validation import (
    MAX_SIZE,
    argument_shape,
    check_arguments,
    check_params,
    parse_arguments,
    unknown_operation,
)
from tests.upstreams.guard_parts import ImageArguments

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=50), st.just("x" * 3_000)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=20,
)
SECRET = "S3cr3tV4lu3"


def assert_presentable(refusal: Refusal) -> None:
    content = error_content(refusal)
    assert content["code"] == "INVALID_INPUT"
    assert len(json.dumps(content)) < 2_048
    assert clean_identifier(content["message"]) == content["message"]
    assert clean_identifier(content["hint"]) == content["hint"]


def parse(arguments: Any) -> ImageArguments | Refusal:
    try:
        check_params({"arguments": arguments}, arguments)
        return parse_arguments(ImageArguments, check_arguments(arguments))
    except Refusal as refusal:
        return refusal


@given(JSON)
def test_any_arguments_are_parsed_or_refused_presentably(arguments: Any) -> None:
    parsed = parse(arguments)
    if isinstance(parsed, Refusal):
        assert_presentable(parsed)
    else:
        assert set(arguments) <= {"image", "registry", "limit"}
        assert parsed.image == arguments["image"]


@given(JSON)
def test_what_passes_the_bounds_is_small(params: Any) -> None:
    try:
        check_params(params, params)
    except Refusal:
        return
    assert len(json.dumps(params, ensure_ascii=False)) < 12 * MAX_SIZE


@given(st.dictionaries(st.text(max_size=12), st.just(SECRET), max_size=6))
def test_values_are_in_no_message_and_no_record(arguments: dict[str, str]) -> None:
    assert SECRET not in json.dumps(argument_shape(arguments))
    parsed = parse({**arguments, "limit": SECRET})
    assert isinstance(parsed, Refusal)
    assert SECRET not in parsed.message + parsed.hint


@given(JSON)
def test_any_name_of_an_operation_is_refused_presentably(name: Any) -> None:
    assert_presentable(unknown_operation("tools/call", name, ["docker_list_tags"]))


@given(st.text(max_size=30))
def test_a_value_under_a_secret_name_never_shows(name: str) -> None:
    if is_secret_name(name):
        assert redact_pair(name, SECRET) == WITHHELD


@given(st.sampled_from(["DB_PASSWORD", "API_TOKEN", "secretKey"]), st.text("ab \n&;|$", max_size=20))
def test_a_secret_assigned_in_a_command_never_shows(name: str, around: str) -> None:
    assert SECRET not in redact_command(f"RUN {around} {name}={SECRET} {around}")


@given(st.text(alphabet="aA_=.-$\"' \n", max_size=60), st.integers(1, 100))
def test_redacting_repetitive_text_is_not_slow(piece: str, times: int) -> None:
    redact_command(piece * times)
