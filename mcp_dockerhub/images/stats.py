"""docker_get_stats: how much a Docker Hub repository is used."""

from datetime import datetime

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier


class RepositoryStats(Result):
    repository: Identifier
    pulls: int | None
    """Since it exists, all tags together."""
    stars: int | None
    updated: datetime | None
    """Last push."""
    registered: datetime | None
    storage: int | None
    """Bytes of all that is stored."""
    status: Identifier | None
    categories: list[Identifier]

    def render(self) -> str:
        pairs = (
            ("pulls", render.number(self.pulls)),
            ("stars", render.number(self.stars)),
            ("last push", render.day(self.updated)),
            ("registered", render.day(self.registered)),
            ("storage", render.size(self.storage) if self.storage is not None else ""),
            ("status", self.status or ""),
            ("categories", ", ".join(self.categories)),
        )
        return self.text([self.repository, *render.fields(pairs)])


async def repository_stats(sources: Sources, access: Access, repository: Repository) -> RepositoryStats:
    """The Hub's counters; raise Unsupported for other registries, which publish none."""
    if not repository.is_docker_hub:
        raise Unsupported(
            f"{repository.registry} publishes no pull or star counts through a common interface.",
            hint="Use docker_list_tags or docker_get_image_details: they work for any registry.",
        )
    seen = Provenance()
    found = seen.take(await sources.hub.repository(access, repository))
    return RepositoryStats(
        source=seen.source,
        fetched_at=seen.fetched_at,
        repository=repository.familiar,
        pulls=found.pull_count,
        stars=found.star_count,
        updated=found.updated_at,
        registered=found.registered_at,
        storage=found.storage_size,
        status=found.status or None,
        categories=list(found.categories),
    )
