"""The ``RecordFinder`` of docker_get_dockerfile: what an image's provenance tells of its Dockerfile."""

from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.images.dockerfile import Recorded, SourcePointer
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.discovery import Discovery, Target
from mcp_dockerhub.supply_chain.provenance.build import Build, SourceFile
from mcp_dockerhub.supply_chain.provenance.finding import first_build

_UNPROVEN: Final = "The Dockerfile is the one the image's provenance holds; no signature over it was checked."
_STAGE: Final = "The image is its stage '{}', not its last one."


@dataclass(frozen=True, slots=True)
class Records:
    """Reads the provenance of the image."""

    sources: Sources
    access: Access

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> Recorded | None:
        """The Dockerfile or where it is kept; None, and perhaps a warning, where provenance tells neither."""
        target = Target(ref.with_digest(image.digest), ref, image.index, image.manifest.digest, image.platform)
        try:
            found = await first_build(Discovery(self.sources, self.access, target, seen))
        except DockerHubError as error:
            seen.warn(f"The image's provenance could not be used: {error.message}")
            return None
        if found is None:
            return None
        file = main_file(found.build)
        if file is not None:
            seen.warn(_UNPROVEN)
            if found.build.target:
                seen.warn(_STAGE.format(found.build.target[:100]))
        return Recorded(file.text if file else None, file.name if file else "", _pointer(found.build))


def main_file(build: Build) -> SourceFile | None:
    """Of several recorded files the one the build started from."""
    path = build.source.path if build.source else ""
    named = (file for file in build.files if path and file.name == path)
    return next(named, None) or next(iter(build.files), None)


def _pointer(build: Build) -> SourcePointer | None:
    source = build.source
    if source is None or not source.uri:
        return None
    return SourcePointer(source.uri, source.commit, source.path, source.checked)
