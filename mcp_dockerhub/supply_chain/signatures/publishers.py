"""Publishers whose way of signing is public knowledge: ``publishers.json``, each entry with its source."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mcp_dockerhub.reference import Repository
from mcp_dockerhub.supply_chain.signatures.policy import Policy


@dataclass(frozen=True, slots=True)
class Publisher:
    """How one publisher signs what they publish in some repositories."""

    name: str
    repositories: tuple[str, ...]
    """``*`` stands for one part of a name, ``**`` for anything."""
    source: str
    """Where the publisher says so."""
    identity: str = ""
    issuer: str = ""
    key_fingerprints: tuple[str, ...] = ()
    key_url: str = ""
    """Where the key is published; it is never fetched."""

    @property
    def policy(self) -> Policy:
        return Policy(
            fingerprints=frozenset(self.key_fingerprints),
            identity=self.identity,
            issuer=self.issuer,
            publisher=self.name,
        )

    def publishes(self, repository: Repository) -> bool:
        return any(_matches(pattern, str(repository)) for pattern in self.repositories)


@cache
def publishers() -> tuple[Publisher, ...]:
    """All of them."""
    document = json.loads(files(__package__).joinpath("publishers.json").read_bytes())
    return tuple(map(_publisher, document["publishers"]))


def publisher_of(repository: Repository) -> Publisher | None:
    """Who is known to publish in ``repository``."""
    return next((publisher for publisher in publishers() if publisher.publishes(repository)), None)


def _publisher(entry: dict[str, Any]) -> Publisher:
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    return Publisher(**{**entry, **lists})


def _matches(pattern: str, name: str) -> bool:
    parts = (".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part) for part in _PARTS.split(pattern))
    return re.fullmatch("".join(parts), name) is not None


_PARTS = re.compile(r"(\*\*|\*)")
