"""Toolset ``images``: what images are, what is in them, how they differ."""

from typing import Annotated, Literal

from pydantic import Field

from mcp_dockerhub.images.base_updates import BaseUpdates, base_updates
from mcp_dockerhub.images.compare import Comparison, compare_images
from mcp_dockerhub.images.details import ImageDetails, image_details
from mcp_dockerhub.images.dockerfile import Dockerfile, image_dockerfile
from mcp_dockerhub.images.history import ImageHistory, image_history
from mcp_dockerhub.images.layers import LayerAnalysis, analyze_layers
from mcp_dockerhub.images.manifest import ManifestView, image_manifest
from mcp_dockerhub.images.pull_size import PullSize, estimate_pull_size
from mcp_dockerhub.images.search import SearchFilters, SearchResults, search_images
from mcp_dockerhub.images.stats import RepositoryStats, repository_stats
from mcp_dockerhub.images.tags import TagPage, list_tags
from mcp_dockerhub.tools.call import Call
from mcp_dockerhub.tools.toolset import (
    ImageArgument,
    Limit,
    Page,
    PlatformArgument,
    RegistryArgument,
    RepositoryArgument,
    tool,
)
from mcp_dockerhub_security.levels import Level, secure_operation

Count = Annotated[int, Field(ge=0, le=10**12)]


@tool(title="Search images")
@secure_operation(level=Level.LOW)
async def docker_search_images(
    call: Call,
    *,
    query: Annotated[str, Field(min_length=1, max_length=100)],
    registry: RegistryArgument = "docker.io",
    limit: Limit = 25,
    page: Page = 1,
    is_official: bool | None = None,
    is_verified_publisher: bool | None = None,
    architecture: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")] | None = None,
    min_stars: Count | None = None,
    min_pulls: Count | None = None,
) -> SearchResults:
    """Find images on Docker Hub by words, when the name is not known."""
    filters = SearchFilters(is_official, is_verified_publisher, architecture, min_stars, min_pulls)
    return await search_images(call.sources, call.grant, query, registry, filters, limit=limit, page=page)


@tool(title="Image details")
@secure_operation(level=Level.LOW)
async def docker_get_image_details(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None
) -> ImageDetails:
    """Say what an image is: digest, platforms, size, configuration, labels, publisher; start here for a known name."""
    return await image_details(call.sources, call.grant, image, platform)


@tool(title="List tags")
@secure_operation(level=Level.LOW)
async def docker_list_tags(
    call: Call,
    *,
    repository: RepositoryArgument,
    pattern: Annotated[str, Field(min_length=1, max_length=128, description="glob, such as 1.*-alpine")] | None = None,
    order: Literal["updated", "version", "name"] = "updated",
    platform: PlatformArgument | None = None,
    limit: Limit = 25,
    page: Page = 1,
) -> TagPage:
    """List a repository's tags, to pick or pin one."""
    return await list_tags(
        call.sources, call.grant, repository, pattern=pattern, order=order, platform=platform, limit=limit, page=page
    )


@tool(title="Manifest")
@secure_operation(level=Level.LOW)
async def docker_get_manifest(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None, raw: bool = False
) -> ManifestView:
    """Show the manifest or index behind a reference; raw adds its exact bytes as base64."""
    return await image_manifest(call.sources, call.grant, image, platform, raw=raw)


@tool(title="Analyze layers")
@secure_operation(level=Level.LOW, heavy=True)
async def docker_analyze_layers(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None
) -> LayerAnalysis:
    """Break an image's size down by layer and the instruction that made it, with what is worth changing."""
    look_into = call.supply_chain.layer_contents(call.grant)
    return await analyze_layers(call.sources, call.grant, image, platform, look_into)


@tool(title="Compare images", reads_layers=True)
@secure_operation(level=Level.LOW, heavy=True)
async def docker_compare_images(
    call: Call,
    *,
    image1: ImageArgument,
    image2: ImageArgument,
    platform: PlatformArgument | None = None,
    vulnerabilities: bool = False,
) -> Comparison:
    """Compare two images: shared layers, bytes to pull, configuration, platforms, age; also known vulnerabilities."""
    chain = call.supply_chain
    find_changes = None
    if vulnerabilities:
        from mcp_dockerhub.supply_chain.vulnerabilities.difference import Changes

        find_changes = Changes(chain, call.grant)
    bases = chain.bases(call.grant)
    return await compare_images(call.sources, call.grant, image1, image2, platform, bases, find_changes)


@tool(title="Image history")
@secure_operation(level=Level.LOW)
async def docker_get_image_history(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None
) -> ImageHistory:
    """List the build steps of an image, oldest first."""
    return await image_history(call.sources, call.grant, image, platform)


@tool(title="Dockerfile")
@secure_operation(level=Level.LOW)
async def docker_get_dockerfile(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None
) -> Dockerfile:
    """Show the Dockerfile of an image: the one its build recorded, else reconstructed from its history."""
    chain = call.supply_chain
    return await image_dockerfile(
        call.sources, call.grant, image, platform, chain.records(call.grant), chain.bases(call.grant)
    )


@tool(title="Estimate pull size")
@secure_operation(level=Level.LOW)
async def docker_estimate_pull_size(
    call: Call,
    *,
    image: ImageArgument,
    platform: PlatformArgument | None = None,
    present: Annotated[list[ImageArgument], Field(max_length=20, description="images already pulled")] = [],  # noqa: B006
) -> PullSize:
    """Estimate the bytes a pull transfers, given the images already present."""
    return await estimate_pull_size(call.sources, call.grant, image, platform, present)


@tool(title="Repository statistics")
@secure_operation(level=Level.LOW)
async def docker_get_stats(call: Call, *, repository: RepositoryArgument) -> RepositoryStats:
    """Show pulls, stars and dates of a Docker Hub repository."""
    return await repository_stats(call.sources, call.grant, repository)


@tool(title="Track base image updates")
@secure_operation(level=Level.LOW)
async def docker_track_base_updates(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None, base: ImageArgument | None = None
) -> BaseUpdates:
    """Say whether the base an image was built on has a newer build, with the evidence."""
    return await base_updates(call.sources, call.grant, image, platform, base, call.supply_chain.bases(call.grant))


TOOLS = (
    docker_search_images,
    docker_get_image_details,
    docker_list_tags,
    docker_get_manifest,
    docker_analyze_layers,
    docker_compare_images,
    docker_get_image_history,
    docker_get_dockerfile,
    docker_estimate_pull_size,
    docker_get_stats,
    docker_track_base_updates,
)
