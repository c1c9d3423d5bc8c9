"""How ten registries differ, as far as a reader notices.

Facts, not recordings, unless said otherwise:
- headers of Docker Hub's manifests and paging links, a content network's headers and ECR's error body: recordings in
  dependabot/dependabot-core@54c10285aafe229d2e8e2708c1c716d6a0a534f8 ``docker/spec/fixtures/docker`` (MIT);
- Docker Hub's realm, service and challenge: distribution/distribution@0d6b721dc3ceacb5d678c25b718b2f40a507c2d8
  ``docs`` (Apache-2.0); pull limits: the vendor's documentation;
- realms and services of GHCR, Quay, Artifact Registry, ECR, ACR, GitLab and Harbor: as their public clients' and
  vendors' test-suites and documentation quote them; tag order, page sizes and ECR's refusal: as clients know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Vendor:
    """One registry; ``behaviour`` are fields of ``Behaviour``."""

    name: str
    host: str
    """As references name it."""
    repository: str
    origin: str = ""
    """Where requests go, by default ``https://HOST``."""
    realm: str = ""
    challenge: str = ""
    """With ``{repository}``; empty for a registry that asks nobody to log in."""
    login: tuple[str, str] | None = None
    """For registries that answer nobody without one."""
    hides: bool = True
    """Whether strangers cannot tell what is missing from what is private."""
    behaviour: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.origin or f"https://{self.host}"


VENDORS: Final = (
    Vendor(
        "Docker Hub",
        "docker.io",
        "library/nginx",
        origin="https://registry-1.docker.io",
        realm="https://auth.docker.io/token",
        challenge='Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
        'scope="repository:{repository}:pull"',
        behaviour={
            "pagination": "absolute",
            "page_size": 100,
            "rate_limit": ("100;w=21600", "97;w=21600"),
            "headers": {"strict-transport-security": "max-age=31536000", "docker-ratelimit-source": "192.0.2.1"},
        },
    ),
    Vendor(
        "GitHub",
        "ghcr.io",
        "owner/app",
        realm="https://ghcr.io/token",
        challenge='Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:{repository}:pull"',
        behaviour={"refusal": "realm", "referrers": "404", "page_size": 100},
    ),
    Vendor(
        "Quay",
        "quay.io",
        "org/app",
        realm="https://quay.io/v2/auth",
        challenge='Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="repository:{repository}:pull"',
        behaviour={"page_size": 50},
    ),
    Vendor(
        "Artifact Registry",
        "us-docker.pkg.dev",
        "project/repository/app",
        realm="https://us-docker.pkg.dev/v2/token",
        challenge='Bearer realm="https://us-docker.pkg.dev/v2/token",service=""',
        behaviour={"refusal": "realm", "pagination": "none"},
    ),
    Vendor(
        "ECR",
        "123456789012.dkr.ecr.eu-west-2.amazonaws.com",
        "app",
        challenge='Basic realm="https://123456789012.dkr.ecr.eu-west-2.amazonaws.com/",service="ecr.amazonaws.com"',
        login=("AWS", "ecr-token"),
        hides=False,
        behaviour={"auth": "basic", "refuse_page_size_over": 1000, "page_size": 1000, "users": {"AWS": "ecr-token"}},
    ),
    Vendor(
        "ACR",
        "example.azurecr.io",
        "app",
        realm="https://example.azurecr.io/oauth2/token",
        challenge='Bearer realm="https://example.azurecr.io/oauth2/token",service="example.azurecr.io",'
        'scope="repository:{repository}:metadata_read",error="invalid_token"',
        behaviour={"token_field": "access_token", "page_size": 100},
    ),
    Vendor(
        "Microsoft",
        "mcr.microsoft.com",
        "dotnet/runtime",
        hides=False,
        behaviour={"auth": "anonymous", "pagination": "none", "redirect_blobs": "https://content.example.net/cdn"},
    ),
    Vendor(
        "GitLab",
        "registry.gitlab.com",
        "group/subgroup/project/app",
        realm="https://gitlab.com/jwt/auth",
        challenge='Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",'
        'scope="repository:{repository}:pull"',
        behaviour={"refusal": "realm", "page_size": 100, "redirect_blobs": "https://content.example.net/cdn"},
    ),
    Vendor(
        "Harbor",
        "harbor.example.com",
        "library/app",
        realm="https://harbor.example.com/service/token",
        challenge='Bearer realm="https://harbor.example.com/service/token",service="harbor-registry",'
        'scope="repository:{repository}:pull"',
        behaviour={"referrers": "on", "page_size": 100},
    ),
    Vendor(
        "plain",
        "registry.example.com:5000",
        "app",
        hides=False,
        behaviour={"auth": "anonymous", "referrers": "404", "pagination": "none"},
    ),
)

ECR_INVALID_TOKEN: Final = {
    "__type": "UnrecognizedClientException",
    "message": "The security token included in the request is invalid.",
}
HUB_PULL_LIMIT: Final = {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}
