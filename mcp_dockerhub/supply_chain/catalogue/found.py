"""What readers report about one file. Plain tuples: they cross from the worker's process as JSON."""

from typing import Any, Final, NamedTuple

MAX_TEXT: Final = 1024
"""Characters of any one string; longer ones are cut."""
MAX_LICENSES: Final = 32


class Found(NamedTuple):
    """One package, as the file says it is; empty where it does not say."""

    type: str
    """Package URL type."""
    name: str
    version: str
    licenses: tuple[str, ...] = ()
    source_name: str = ""
    source_version: str = ""
    arch: str = ""
    inner: str = ""
    """Where in an archive it was found, such as ``!/lib/inner.jar``; empty for the file itself."""


class Evidence(NamedTuple):
    """What one path of a layer tells."""

    kind: str
    """Which reader it was; see ``readers``."""
    packages: tuple[Found, ...] = ()
    paths: tuple[str, ...] = ()
    """Files that belong to the package this file is about, as far as anyone may ask for them."""
    facts: dict[str, str] = {}  # noqa: RUF012  (never changed; a tuple's default is shared)


def text(value: Any) -> str:
    """A bounded string of whatever a document holds in a string's place; empty for anything else."""
    if not isinstance(value, str):
        return ""
    # JSON can spell halves of characters, which no encoding takes.
    return value.strip()[:MAX_TEXT].encode("utf-8", "replace").decode()
