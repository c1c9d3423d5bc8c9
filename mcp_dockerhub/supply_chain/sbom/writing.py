"""What a document to write is about: the image, its packages, and what the reader must know about them."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcp_dockerhub import __version__
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.packages import Coverage, Distro, Package

TOOL: Final = "mcp-dockerhub"
VERSION: Final = __version__


@dataclass(frozen=True, slots=True)
class Subject:
    """The content of a document."""

    ref: Reference
    digest: Digest
    """Of the platform's manifest."""
    platform: Platform
    packages: tuple[Package, ...]
    distro: Distro | None
    coverage: Coverage
    written: datetime
    note: str
    """Where the packages are from, and what of them was left out on request."""

    @property
    def purl(self) -> str:
        """The image as a package URL (purl-spec, type ``oci``)."""
        from packageurl import PackageURL

        repository = self.ref.repository
        qualifiers = {"arch": self.platform.architecture, "repository_url": str(repository)}
        if self.ref.tag:
            qualifiers["tag"] = self.ref.tag
        return PackageURL("oci", None, repository.name, self.digest, qualifiers).to_string()

    @property
    def identifier(self) -> uuid.UUID:
        """The same for the same content, so that a document asked for twice is one document."""
        packages = "\n".join(f"{package.purl} {package.identity} {package.location}" for package in self.packages)
        text = f"{self.ref}\n{self.digest}\n{self.note}\n{packages}"
        # Documents can hold half surrogate pairs, which UTF-8 cannot.
        return uuid.uuid5(uuid.NAMESPACE_URL, text.encode(errors="backslashreplace").decode())
