"""Heads of requests."""

import time

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.heads import MAX_HEAD, check_head, end_of_head

GOOD = b"POST /mcp HTTP/1.1\r\nHost: a\r\n\r\n"


def status_of(head: bytes) -> int | None:
    try:
        check_head(head)
    except HttpError as error:
        return error.status
    return None


@pytest.mark.parametrize(
    "head",
    [
        GOOD,
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nhOST:a\r\nTransfer-Encoding: Chunked\r\n\r\n",
        b"POST /mcp?a=%20 HTTP/1.1\r\nHost: a\r\nX: b: c\t\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
    ],
)
def test_plain_heads_pass(head: bytes) -> None:
    assert status_of(head) is None


@pytest.mark.parametrize("size", [MAX_HEAD + 1, MAX_HEAD * 2])
def test_a_head_may_not_be_long(size: int) -> None:
    assert status_of(GOOD[:-2] + b"X: " + b"a" * size + b"\r\n\r\n") == 431


def test_a_head_may_not_have_many_fields() -> None:
    assert status_of(GOOD[:-2] + b"".join(b"X%d: a\r\n" % i for i in range(99)) + b"\r\n") is None
    assert status_of(GOOD[:-2] + b"".join(b"X%d: a\r\n" % i for i in range(100)) + b"\r\n") == 431


def test_the_end_of_a_head_is_found_wherever_its_parts_were_cut() -> None:
    data = GOOD + b"body\r\n\r\n"
    for cut in range(len(GOOD)):
        assert end_of_head(data[:cut]) == -1
        assert end_of_head(data, cut) == len(GOOD)


FIELDS = st.lists(
    st.sampled_from(
        [
            b"Host: a",
            b"Content-Length: 3",
            b"content-length: 4",
            b"Content-Length : 3",
            b"Content-Length: 3, 3",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: identity",
            b" folded",
            b"X: y",
            b"X\x00: y",
            b"X: y\nContent-Length: 9",
            b": empty",
        ]
    ),
    max_size=5,
)


@settings(max_examples=300)
@given(
    FIELDS,
    st.sampled_from([b"POST /mcp HTTP/1.1", b"POST /mcp HTTP/1.0", b"POST  /mcp HTTP/1.1", b"POST mcp HTTP/1.1"]),
)
def test_a_head_that_passes_says_once_where_its_body_ends_and_the_parser_agrees(
    fields: list[bytes], line: bytes
) -> None:
    head = b"\r\n".join([line, *fields, b"", b""])
    if status_of(head) is not None:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    names = [name for name, _ in event.headers]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert len(names) == len(fields)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_check(data: bytes) -> None:
    status_of(data + b"\r\n\r\n")


@pytest.mark.parametrize("name", [b"Host", b"Content-Length", b"Transfer-Encoding", b"X"])
@pytest.mark.parametrize("filling", [b" ", b"\t", b"a ", b": ", b","])
def test_no_head_takes_long_to_look_at(name: bytes, filling: bytes) -> None:
    """A value that looks as if it ended again and again: eight seconds, for an expression that tries each end."""
    value = b"a" + filling * ((MAX_HEAD - 200) // len(filling)) + b"b"
    others = b"" if name == b"Host" else b"Host: a\r\n"
    head = b"POST /mcp HTTP/1.1\r\n" + others + name + b": " + value + b"\r\n\r\n"
    began = time.thread_time()
    status_of(head)
    assert time.thread_time() - began < 0.5
