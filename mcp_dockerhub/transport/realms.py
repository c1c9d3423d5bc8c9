"""Token services that may receive the credentials of the registries they belong to.

A registry's own host would need no entry; the well-known ones are listed all the same, as what is expected of them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KNOWN_REALMS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "docker.io": frozenset({"auth.docker.io"}),
        "registry-1.docker.io": frozenset({"auth.docker.io"}),
        "ghcr.io": frozenset({"ghcr.io"}),
        "lscr.io": frozenset({"ghcr.io"}),
        "quay.io": frozenset({"quay.io"}),
        "gcr.io": frozenset({"gcr.io"}),
        "public.ecr.aws": frozenset({"public.ecr.aws"}),
        "registry.gitlab.com": frozenset({"gitlab.com"}),
        "registry.digitalocean.com": frozenset({"api.digitalocean.com"}),
        "cgr.dev": frozenset({"cgr.dev"}),
        "codeberg.org": frozenset({"codeberg.org"}),
    }
)
