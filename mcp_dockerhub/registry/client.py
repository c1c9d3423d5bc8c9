"""The client of OCI and Docker registries: one method per question."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache, Cached, Key
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference, Repository
from mcp_dockerhub.registry import blobs, images, keeping, layers, manifests, quota, referrers, tags
from mcp_dockerhub.registry.config import Registries
from mcp_dockerhub.registry.models import (
    Descriptor,
    Image,
    ImageConfig,
    Manifest,
    Quota,
    Referrers,
    Resolved,
    TagList,
)
from mcp_dockerhub.registry.wire import Wire
from mcp_dockerhub.store import Store
from mcp_dockerhub.transport.client import HttpClient, Upstream


class RegistryClient:
    """Answers from any registry, each document verified by its digest.

    Every method first raises what ``access.check_target`` raises, then any error of ``HttpClient`` and
    NotFound, AuthenticationFailed, Forbidden, RateLimited, QuotaExhausted, UpstreamUnavailable, UpstreamInvalid,
    Unsupported, TooLarge or InvalidInput (the registry's own rules on names). Upstream texts are never part of one.
    """

    def __init__(self, http: HttpClient, cache: Cache, registries: Registries, store: Store | None = None) -> None:
        """``store`` keeps public documents by their digest beyond the life of the process."""
        self._wire = Wire(http, cache, registries, store)

    async def resolve(self, access: Access, ref: Reference) -> Cached[Resolved]:
        """The digest, media type and size ``ref`` points at, by HEAD.

        GET is the fallback for registries that do not do HEAD or tell no digest, and confirms that something
        is missing.
        """
        return await manifests.resolve(self._wire, access, ref)

    async def manifest(self, access: Access, ref: Reference) -> Cached[Manifest]:
        """The document ``ref`` names: an index, an image's manifest, an artifact, or one of schema 1."""
        return await manifests.manifest(self._wire, access, ref)

    async def image(self, access: Access, ref: Reference, platform: Platform | None = None) -> Cached[Image]:
        """The image for ``platform``: by default ``linux/amd64``, or the only one there is.

        Raises Unsupported, listing the platforms there are, when none matches; naming what it is, when ``ref``
        is no image.
        """
        return await images.image(self._wire, access, ref, platform)

    async def config(self, access: Access, repository: Repository, descriptor: Descriptor) -> Cached[ImageConfig]:
        """An image's configuration, at most 8 MiB."""
        return await blobs.config(self._wire, access, repository, descriptor)

    async def blob(self, access: Access, repository: Repository, descriptor: Descriptor, limit: int) -> Cached[bytes]:
        """The bytes of a blob of at most ``limit``; TooLarge before any request when it says it is larger.

        A foreign layer is asked for at the registry too: its ``urls`` are never fetched.
        """
        return await blobs.blob(self._wire, access, repository, descriptor, limit)

    def layer_stream(
        self, access: Access, repository: Repository, descriptor: Descriptor, *, seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a layer as they come, within ``seconds`` for each connection.

        Whoever reads to the end has the right bytes; until then they may be anybody's: raises UpstreamInvalid there,
        or as soon as there are too many. A connection that breaks is taken up where it ended. Foreign layers raise
        Unsupported.
        """
        return layers.layer_stream(self._wire, access, repository, descriptor, seconds)

    def derived_key(self, access: Access, repository: Repository, what: str, digest: Digest) -> Key:
        """Where to cache ``what`` is made from the blob ``digest``: where everybody finds it when the blob is public.

        Its identity tells which. Raises what ``access.check_target`` raises.
        """
        return keeping.derived_key(self._wire.endpoint(access, repository), what, digest)

    def endpoint(self, access: Access, repository: Repository) -> Upstream:
        """Where ``repository`` is read from for this caller, and with what credential: for a tool that does so itself.

        Raises what ``access.check_target`` raises.
        """
        return self._wire.endpoint(access, repository).upstream

    async def tags(self, access: Access, repository: Repository) -> Cached[TagList]:
        """Every tag, from every page."""
        return await tags.tags(self._wire, access, repository)

    async def referrers(
        self, access: Access, repository: Repository, digest: Digest, artifact_type: str | None = None
    ) -> Cached[Referrers]:
        """What refers to ``digest``, only of ``artifact_type`` where given."""
        return await referrers.referrers(self._wire, access, repository, digest, artifact_type)

    async def quota(self, access: Access) -> Quota | None:
        """Docker Hub's pull quota for the caller's credential; None when it states none."""
        return await quota.quota(self._wire, access)
