"""How a stand-in registry differs from the specification's ideal: one field per quirk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Pagination = Literal[
    "relative", "absolute", "wrong_scheme", "other_origin", "circular", "artifactory", "none", "trailing_empty"
]


@dataclass
class Behaviour:
    """Change fields at any time; the next request sees them."""

    auth: Literal["anonymous", "basic", "token"] = "anonymous"
    users: Mapping[str, str] = field(default_factory=lambda: {"alice": "wonderland"})
    """Who may log in, with their passwords."""
    private: frozenset[str] = frozenset()
    """With token authentication: repositories only these users see; all others are public."""
    refusal: Literal["401", "403", "realm"] = "401"
    """How a private or missing repository is kept from strangers: by the registry, or by its token service."""
    service: str = "registry.test"
    realm: str = ""
    """URL of the token service; by default the registry's own ``/token``."""
    challenge: str = ""
    """The challenge to send instead of the usual, with ``{repository}``."""
    token_field: Literal["token", "access_token"] = "token"
    """Which of the two names the token service uses."""

    page_size: int = 0
    """Tags on one page at most, 0 for no limit but the client's."""
    refuse_page_size_over: int = 0
    """Larger ``n`` is answered with 405, as ECR does; 0 for none."""
    pagination: Pagination = "relative"
    tags_null: bool = False
    """Write an empty tag list as Go does."""

    head: Literal["normal", "not_allowed", "not_found", "no_digest"] = "normal"
    digest_header: bool = True
    content_type: str = ""
    """Sent with manifests instead of their own."""
    corrupt: bool = False
    """Change a byte of every manifest and blob, and leave the digest header as it was."""
    redirect_blobs: str = ""
    """Where blobs are redirected to, as ``URL/DIGEST``; ``/cdn`` stays on this server."""
    gzip_manifests: bool = False
    """Compress manifests on the wire (``Content-Encoding``)."""

    referrers: Literal["on", "404", "400", "406", "html"] = "on"
    referrers_page_size: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every answer below ``/v2/``."""
    warnings: tuple[str, ...] = ()
    """``Warning`` headers of every manifest, tag list and referrers answer."""
    rate_limit: tuple[str, str] | None = None
    """``ratelimit-limit`` and ``ratelimit-remaining`` of manifest answers."""


@dataclass
class Scripted:
    """An answer given instead of the real one, ``times`` times."""

    method: str
    path: re.Pattern[str]
    status: int
    headers: Mapping[str, str]
    body: bytes
    times: int


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived; ``authorization`` is its scheme only."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "").partition(" ")[0]
