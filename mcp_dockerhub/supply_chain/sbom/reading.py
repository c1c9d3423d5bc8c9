"""An attached SBOM, whatever its form, into packages."""

from collections.abc import Callable
from typing import Final

from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.supply_chain.attachments import CYCLONEDX, SPDX
from mcp_dockerhub.supply_chain.json_walk import JsonWalk, decode
from mcp_dockerhub.supply_chain.packages import PackageSet
from mcp_dockerhub.supply_chain.sbom.cyclonedx import read_cyclonedx
from mcp_dockerhub.supply_chain.sbom.spdx import read_spdx
from mcp_dockerhub.supply_chain.statements import Statement

PREDICATES: Final = (SPDX, CYCLONEDX)
"""Predicate types, or how they begin, of the SBOMs that are read."""
_READERS: Final[dict[str, Callable[[JsonWalk, int], PackageSet]]] = {"spdx": read_spdx, "cyclonedx": read_cyclonedx}


def sbom_of_statement(statement: Statement) -> PackageSet:
    """The SBOM a statement's predicate is; raise Unsupported when it is none, UpstreamInvalid when it is damaged."""
    return _read(statement.predicate_type, statement.walk, statement.predicate)


def sbom_of_document(raw: bytes, media_type: str, what: str) -> PackageSet:
    """The SBOM a bare document is; raise Unsupported when it is none, UpstreamInvalid when it is damaged."""
    walk = JsonWalk(decode(raw, what), what)
    return _read(media_type, walk, walk.start())


def _read(kind: str, walk: JsonWalk, position: int) -> PackageSet:
    """``kind`` is a predicate type or a media type: both have the format's name in them."""
    reader = next((reader for name, reader in _READERS.items() if name in kind.lower()), None)
    if reader is None or not walk.is_object(position):
        raise Unsupported(f"{walk.what} is not SPDX or CycloneDX in JSON, the forms of SBOM that are read here.")
    return reader(walk, position)
