"""Which registries there are, where they listen, and who we are to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from mcp_dockerhub.reference import DOCKER_HUB
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential

DOCKER_HUB_URL: Final = "https://registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class WellKnown:
    """A public registry that references may name without configuration."""

    host: str
    name: str


WELL_KNOWN: Final = (
    WellKnown(DOCKER_HUB, "Docker Hub"),
    WellKnown("ghcr.io", "GitHub Container Registry"),
    WellKnown("quay.io", "Quay"),
    WellKnown("gcr.io", "Google Container Registry"),
    WellKnown("us-docker.pkg.dev", "Google Artifact Registry"),
    WellKnown("europe-docker.pkg.dev", "Google Artifact Registry"),
    WellKnown("asia-docker.pkg.dev", "Google Artifact Registry"),
    WellKnown("registry.k8s.io", "Kubernetes"),
    WellKnown("public.ecr.aws", "Amazon ECR Public"),
    WellKnown("mcr.microsoft.com", "Microsoft Artifact Registry"),
    WellKnown("registry.gitlab.com", "GitLab"),
    WellKnown("registry.access.redhat.com", "Red Hat"),
    WellKnown("registry.fedoraproject.org", "Fedora"),
    WellKnown("registry.opensuse.org", "openSUSE"),
    WellKnown("docker.elastic.co", "Elastic"),
    WellKnown("nvcr.io", "NVIDIA"),
    WellKnown("cgr.dev", "Chainguard"),
    WellKnown("lscr.io", "LinuxServer.io"),
    WellKnown("codeberg.org", "Codeberg"),
    WellKnown("dhi.io", "Docker Hardened Images"),
)
WELL_KNOWN_HOSTS: Final = frozenset(known.host for known in WELL_KNOWN)
_NAMES: Final = {known.host: known.name for known in WELL_KNOWN}


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """One registry: the host references name, the origin requests go to, and our credential there."""

    host: str
    url: str
    """Origin, with a path prefix where the registry has one, without ``/v2`` and trailing slash."""
    credential: Credential = ANONYMOUS_CREDENTIAL

    @classmethod
    def create(cls, host: str, url: str = "", *, username: str = "", password: str = "", token: str = "") -> Self:
        """From what an operator writes; ``token`` is a ready bearer token, or the secret of ``username``."""
        return cls(host, url.rstrip("/") or _origin(host), settings_credential(host, username, password, token))

    @property
    def name(self) -> str:
        """What people call it: ``Docker Hub``, else the host."""
        return _NAMES.get(self.host, self.host)


def _origin(host: str) -> str:
    """Where a registry's API is, unless something else is configured."""
    return DOCKER_HUB_URL if host == DOCKER_HUB else f"https://{host}"


def settings_credential(host: str, username: str = "", password: str = "", token: str = "") -> Credential:
    """The credential an operator configured for ``host``; anonymous when nothing usable was given."""
    secret = password or token
    if username and secret:
        return Credential(f"{host}:{username}", username, secret, "basic")
    if token:
        return Credential(f"{host}:token", "", token, "bearer")
    return ANONYMOUS_CREDENTIAL


@dataclass(frozen=True, slots=True)
class Registries:
    """Every registry this process may speak to; hosts nobody configured are reached over https."""

    configured: Mapping[str, RegistryConfig] = field(default_factory=dict)
    auths: Mapping[str, Credential] = field(default_factory=dict)
    """Credentials by host from docker's own configuration; a configured credential goes first."""

    @classmethod
    def build(
        cls,
        configured: Iterable[RegistryConfig] = (),
        *,
        hub_url: str = DOCKER_HUB_URL,
        hub_credential: Credential = ANONYMOUS_CREDENTIAL,
        auths: Mapping[str, Credential] | None = None,
    ) -> Self:
        """Docker Hub and ``configured``; an entry for ``docker.io`` among these replaces ``hub_*``."""
        hub = RegistryConfig(DOCKER_HUB, hub_url.rstrip("/"), hub_credential)
        return cls({config.host: config for config in (hub, *configured)}, dict(auths or {}))

    def find(self, host: str) -> RegistryConfig:
        """The configuration of ``host``, by default its https origin and no credential."""
        return self.configured.get(host) or RegistryConfig(host, _origin(host))

    def choose(self, host: str, *, private: bool) -> Credential:
        """Who we are to ``host``: anonymous unless the caller may use the operator's credentials."""
        if not private:
            return ANONYMOUS_CREDENTIAL
        own = self.find(host).credential
        return own if own.kind != "anonymous" else self.auths.get(host, ANONYMOUS_CREDENTIAL)
