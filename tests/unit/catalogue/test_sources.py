"""Reading bytes that come once."""

import gzip
import sys
from importlib import import_module

import pytest

from mcp_dockerhub.supply_chain.catalogue.compression import GZIP_MAGIC, decompressed
from mcp_dockerhub.supply_chain.catalogue.source import PIECE, Content, Source, TooMuch, Truncated, Unreadable
from tests.upstreams.layers import chunks_of

zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
TEXT = bytes(range(256)) * 40


def test_pieces_of_any_size_read_as_one_sequence() -> None:
    source = Source(chunks_of(TEXT, 7))
    assert source.peek(20) == TEXT[:20]
    assert source.read(10) == TEXT[:10]
    source.skip(90)
    assert b"".join(source.take(50)) == TEXT[100:150]
    assert b"".join(source.rest()) == TEXT[150:]
    assert source.peek(1) == b""


def test_what_is_put_back_is_read_next() -> None:
    source = Source([b"abcdef"])
    assert source.read(4) == b"abcd"
    source.push_back(b"xy")
    assert b"".join(source.rest()) == b"xyef"


@pytest.mark.parametrize("size", [3, 100])
def test_asking_for_more_than_there_is_is_noticed(size: int) -> None:
    with pytest.raises(Truncated):
        Source([b"a", b"b"]).read(size)
    with pytest.raises(Truncated):
        Source([b"a", b"b"]).skip(size)


def test_a_files_content_ends_where_the_file_does() -> None:
    source = Source([b"12345678"])
    content = Content(source, 5)
    assert content.peek(20) == b"12345"
    assert b"".join(content.pieces()) == b"12345"
    content.finish()
    assert source.read(3) == b"678"


def test_a_file_beyond_the_readers_limit_is_left_unread_and_skipped() -> None:
    source = Source([b"12345678"])
    content = Content(source, 5)
    with pytest.raises(TooMuch):
        content.read(4)
    content.finish()
    assert source.read(3) == b"678"


def test_a_file_that_ends_early_is_noticed_while_it_is_read() -> None:
    with pytest.raises(Truncated):
        list(Content(Source([b"123"]), 5).pieces())


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:]) + bytes(64)),
        ("zstd", zstd.compress(TEXT)),
        ("zstd", zstd.compress(TEXT[:100]) + b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(TEXT[100:])),
        ("zstd", b"\x5e\x2a\x4d\x18\x01\0\0\0a" + zstd.compress(TEXT)),
        ("none", TEXT),
    ],
    ids=["gzip", "members", "zstd", "frames", "skippable", "none"],
)
def test_the_content_is_what_was_compressed_whatever_the_chunks(name: str, raw: bytes, size: int) -> None:
    form = decompressed(chunks_of(raw, size))
    assert form.name == name
    assert b"".join(form.pieces) == TEXT


def test_pieces_are_never_larger_than_the_bound() -> None:
    zeros = bytes(3 * PIECE + 1)
    for raw in (gzip.compress(zeros), zstd.compress(zeros), zeros):
        sizes = [len(piece) for piece in decompressed([raw]).pieces]
        assert max(sizes) <= PIECE
        assert sum(sizes) == len(zeros)


def test_nothing_is_an_empty_layer() -> None:
    form = decompressed([])
    assert (form.name, list(form.pieces)) == ("none", [])


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_cut_or_damaged_layer_is_unreadable(compress: object) -> None:
    assert callable(compress)
    raw = compress(TEXT)
    with pytest.raises(Truncated):
        list(decompressed([raw[:-12]]).pieces)
    with pytest.raises(Unreadable):
        list(decompressed([raw[:20] + bytes(byte ^ 0x55 for byte in raw[20:])]).pieces)


def test_a_frame_that_wants_more_memory_than_any_encoder_of_layers_is_refused() -> None:
    stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    wide = stream.compress(TEXT) + stream.flush()
    with pytest.raises(Unreadable, match="32 MiB"):
        list(decompressed([wide]).pieces)


def test_a_wrong_checksum_at_the_end_of_gzip_is_damage() -> None:
    raw = bytearray(gzip.compress(TEXT))
    raw[-5] ^= 1
    assert raw.startswith(GZIP_MAGIC)
    with pytest.raises(Unreadable):
        list(decompressed([bytes(raw)]).pieces)
