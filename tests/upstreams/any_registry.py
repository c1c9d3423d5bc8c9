"""Either registry, the stand-in or Debian's, and clients of it on the real HTTP stack."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.registry import Registries, RegistryClient, RegistryConfig
from mcp_dockerhub.transport.client import Credential
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams.docker_registry import PASSWORD, USER, DockerRegistry
from tests.upstreams.registry import Behaviour, InMemoryRegistry

Auth = Literal["anonymous", "basic", "token"]
AnyRegistry = InMemoryRegistry | DockerRegistry
SECRET_REPOSITORY = "team/secret"
"""With token authentication only those who log in see it."""


def make_registry(kind: str, auth: Auth) -> AnyRegistry:
    """``in-memory`` (like Debian's without the referrers API) or ``debian``."""
    private = frozenset({SECRET_REPOSITORY})
    if kind == "in-memory":
        return InMemoryRegistry(Behaviour(auth=auth, private=private, referrers="404"))
    return DockerRegistry(auth=auth, private=private)


@asynccontextmanager
async def connected(
    registry: AnyRegistry, *, username: str = USER, password: str = PASSWORD
) -> AsyncIterator[RegistryClient]:
    """A client configured with credentials for ``registry``, which is its Docker Hub too (without credentials)."""
    credential = Credential(f"{registry.host}:{username}", username, password, "basic")
    config = RegistryConfig(registry.host, registry.url, credential)
    stack = HttpStack(StackOptions(configured_origins=registry.origins))
    try:
        yield RegistryClient(stack, Cache(), Registries.build([config], hub_url=registry.url))
    finally:
        await stack.aclose()
