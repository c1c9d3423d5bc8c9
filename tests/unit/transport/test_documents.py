"""JSON from strangers takes no more memory than its bound allows."""

import pytest

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.hub.fields import document
from mcp_dockerhub.registry.fields import load_object
from mcp_dockerhub.transport.documents import MAX_PARTS, parse_json

BOMBS = (b"{},", b'{"a":1},', b"[],", b'"ab",', b"1.5,")


def bomb(part: bytes) -> bytes:
    return b'{"x":[' + part * (MAX_PARTS + 1) + b"0]}"


@pytest.mark.parametrize("part", BOMBS)
def test_a_document_of_too_many_parts_is_not_parsed(part: bytes) -> None:
    with pytest.raises(TooLarge, match="The thing has more than 500,000 parts"):
        parse_json(bomb(part), "The thing")


def test_registries_and_the_hub_are_read_within_that_bound() -> None:
    for read in (document, lambda raw: load_object(raw, "it")):
        with pytest.raises(TooLarge):
            read(bomb(b"{},"))


def test_a_long_text_is_no_bomb() -> None:
    text = "x" * (4 * MAX_PARTS)
    assert parse_json(f'{{"a": "{text}"}}'.encode(), "it") == {"a": text}


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_json(raw, "it")
