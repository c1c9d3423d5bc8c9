"""Image references, parsed once into types; nothing downstream handles raw strings.

Grammar and normalisation follow the ``distribution/reference`` package that ``docker pull`` uses:
a first component with a ``.`` or ``:``, or ``localhost``, is a registry; one-part names on Docker Hub
live under ``library/``; its host aliases are one registry; without tag or digest the tag is ``latest``.
"""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Final, Self

from mcp_dockerhub.errors import InvalidInput

DOCKER_HUB: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
MAX_REFERENCE: Final = 1024
MAX_NAME: Final = 255
MAX_TAG: Final = 128

_HUB_ALIASES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_MAX_HOST: Final = 253
_HOST_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HOST: Final = re.compile(
    rf"(?P<host>{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.ASCII
)
_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HEX_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)


class Digest(str):
    """A content digest, ``algorithm:hex`` (OCI image-spec, descriptor.md#digests); only registered algorithms."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidInput unless ``text`` is a digest of a registered algorithm with its full length."""
        algorithm, _, value = text.partition(":")
        length = _HEX_LENGTHS.get(algorithm)
        if length is None:
            raise InvalidInput(
                "The digest's algorithm is not one of sha256, sha384, sha512.",
                hint="A digest looks like sha256:<64 hex>.",
            )
        if len(value) != length or not _HEX.fullmatch(value):
            raise InvalidInput(f"A {algorithm} digest has exactly {length} lower-case hexadecimal characters.")
        return cls(text)

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on a registry, normalised: ``Repository("docker.io", "library/nginx")``."""

    registry: str
    """Host as a reference names it, with its port where given; ``docker.io`` for Docker Hub."""
    path: str
    """Path below the host, ``library/`` included."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a name without tag or digest; raise InvalidInput naming the broken rule."""
        _check_text(text, "A repository")
        registry, path = _split_host(text)
        if "@" in path or ":" in path:
            raise InvalidInput("A repository is named without tag or digest.", hint="Leave out what follows the name.")
        return cls(registry, _check_path(registry, path))

    @property
    def is_docker_hub(self) -> bool:
        return self.registry == DOCKER_HUB

    @property
    def namespace(self) -> str:
        """All but the last component: ``library`` for official images, empty for one-part names elsewhere."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def familiar(self) -> str:
        """The shortest name that means the same, as one would type it."""
        namespace, _, rest = self.path.partition("/")
        if not self.is_docker_hub or _names_host(namespace):
            return str(self)
        short = namespace == "library" and "/" not in rest and not _is_image_id(rest)
        return rest if short else self.path

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image reference; with both tag and digest the digest decides what is read, as in ``docker pull``."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what one would type after ``docker pull``; raise InvalidInput naming the broken rule."""
        _check_text(text, "An image reference")
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        registry, path = _split_host(rest)
        path, colon, tag = path.partition(":")
        if colon:
            check_tag(tag)
        repository = Repository(registry, _check_path(registry, path))
        return cls(repository, tag if colon else (None if digest else DEFAULT_TAG), digest)

    @property
    def target(self) -> str:
        """What a manifest request names: the digest, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def familiar(self) -> str:
        return self._join(self.repository.familiar)

    def with_digest(self, digest: str) -> Self:
        return replace(self, digest=Digest.parse(digest))

    def with_tag(self, tag: str) -> Self:
        """The same repository at another tag, without a digest; raise InvalidInput unless it is a tag."""
        return replace(self, tag=check_tag(tag), digest=None)

    def __str__(self) -> str:
        return self._join(str(self.repository))

    def _join(self, name: str) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{name}{tag}@{self.digest}" if self.digest else f"{name}{tag}"


def parse_registry(text: str) -> str:
    """A registry's host with its port where given, normalised; raise InvalidInput naming the broken rule."""
    _check_text(text, "A registry")
    return _check_host(text)


def check_tag(text: str) -> str:
    """Return ``text``; raise InvalidInput unless it is a tag (OCI distribution-spec, pulling manifests)."""
    if not _TAG.fullmatch(text):
        raise InvalidInput(
            f"A tag has 1 to {MAX_TAG} letters, digits, '_', '.' or '-' and does not start with '.' or '-'."
        )
    return text


def _check_text(text: str, what: str) -> None:
    if not text:
        raise InvalidInput(f"{what} must not be empty.")
    if len(text) > MAX_REFERENCE:
        raise InvalidInput(f"{what} has at most {MAX_REFERENCE} characters.")
    if "://" in text:
        raise InvalidInput(f"{what} has no URL scheme.", hint="Write it as after `docker pull`, such as nginx:alpine.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidInput(f"{what} has printable ASCII characters only, and no spaces.")


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not _names_host(first):
        return DOCKER_HUB, text
    return _check_host(first), rest


def _check_host(text: str) -> str:
    found = _HOST.fullmatch(text)
    if not found or len(found["host"]) > _MAX_HOST or not _is_address_if_bracketed(found["host"]):
        raise InvalidInput("The registry host is not a valid host name or address with an optional port.")
    if found["port"] and not 0 < int(found["port"]) < 65536:
        raise InvalidInput("The registry's port is between 1 and 65535.")
    host = text.lower()
    return DOCKER_HUB if host in _HUB_ALIASES else host


def _names_host(component: str) -> bool:
    return component == "localhost" or any(c in component for c in ".:[")


def _is_address_if_bracketed(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def _is_image_id(name: str) -> bool:
    return len(name) == 64 and _HEX.fullmatch(name) is not None


def _check_path(registry: str, path: str) -> str:
    if registry == DOCKER_HUB and "/" not in path:
        if _is_image_id(path):
            raise InvalidInput("A 64-character hexadecimal string is an image id, not a repository.")
        path = f"library/{path}"
    if len(path) > MAX_NAME:
        raise InvalidInput(f"A repository name has at most {MAX_NAME} characters.")
    for component in path.split("/"):
        if not _COMPONENT.fullmatch(component):
            raise InvalidInput(
                "Each part of a repository name is lower-case letters and digits, "
                "separated by one '.', one or two '_' or any number of '-'.",
                hint="Names are lower case, without '..', leading separators or empty parts.",
            )
    return path
