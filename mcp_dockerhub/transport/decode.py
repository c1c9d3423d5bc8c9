"""Content codings, decoded as the bytes come and never more than a piece at a time."""

import zlib
from collections.abc import Iterator
from typing import Protocol

from mcp_dockerhub.errors import UpstreamInvalid

_PIECE = 256 * 1024


class Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of ``data``; raises UpstreamInvalid for what is not in the coding."""

    def finish(self) -> None:
        """Raise UpstreamInvalid if the coded stream is not complete."""


class IdentityDecoder:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class GzipDecoder:
    """RFC 1952; several members in a row count as one stream."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._between = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise UpstreamInvalid(f"{self._host} sent a body that is not the gzip it claims to be.") from error
            self._between = self._inflate.eof
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        if not self._between:
            raise UpstreamInvalid(f"{self._host} sent a gzip body that ends in its middle.")


def decoder_for(coding: str | None, host: str) -> Decoder:
    """The decoder of a ``Content-Encoding`` value; raises UpstreamInvalid for one that was not asked for."""
    name = (coding or "identity").strip().lower()
    if name in ("identity", ""):
        return IdentityDecoder()
    if name in ("gzip", "x-gzip"):
        return GzipDecoder(host)
    raise UpstreamInvalid(f"{host} sent a body in a coding that this client did not ask for.")
