"""Toolset ``supply_chain``: what is in images, who built them, and what of that is proven."""

from typing import Annotated, Literal

from pydantic import Field

from mcp_dockerhub.supply_chain.answers import BuildProvenance, Sbom, SignatureVerification
from mcp_dockerhub.supply_chain.vocabulary import MAX_IDENTITY, MAX_KEY, Format
from mcp_dockerhub.supply_chain.vulnerabilities.answers import Vulnerabilities
from mcp_dockerhub.tools.call import Call
from mcp_dockerhub.tools.toolset import ImageArgument, Limit, Page, PlatformArgument, tool
from mcp_dockerhub_security.levels import Level, secure_operation

Words = Annotated[str, Field(min_length=1, max_length=200)]


@tool(title="Vulnerabilities", reads_layers=True)
@secure_operation(level=Level.LOW, heavy=True)
async def docker_get_vulnerabilities(
    call: Call,
    *,
    image: ImageArgument,
    platform: PlatformArgument | None = None,
    min_severity: Literal["critical", "high", "medium", "low"] | None = None,
    only_fixable: bool = False,
    package: Words | None = None,
    limit: Limit = 25,
    page: Page = 1,
) -> Vulnerabilities:
    """List an image's known vulnerabilities, most urgent first; unless complete, none found proves nothing."""
    from mcp_dockerhub.supply_chain.vulnerabilities.listing import Wanted, image_vulnerabilities

    wanted = Wanted(min_severity, only_fixable, package or "", limit, page)
    return await image_vulnerabilities(call.supply_chain, call.grant, image, platform, wanted, call.found)


@tool(title="SBOM", reads_layers=True)
@secure_operation(level=Level.LOW, heavy=True)
async def docker_get_sbom(
    call: Call,
    *,
    image: ImageArgument,
    platform: PlatformArgument | None = None,
    format: Format = "summary",  # noqa: A002 -- the argument's name
    name: Words | None = None,
    type: Annotated[str, Field(pattern=r"^[a-zA-Z0-9.+-]{1,30}$", description="purl type: deb, npm, pypi")]  # noqa: A002
    | None = None,
    license: Words | None = None,  # noqa: A002
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    page: Page = 1,
) -> Sbom:
    """List the packages in an image from its SBOM or its layers; spdx and cyclonedx give a whole document."""
    from mcp_dockerhub.supply_chain.sboms import Filters, Wanted, image_sbom

    filters = Filters(name or "", type or "", license or "")
    return await image_sbom(call.supply_chain, call.grant, image, platform, Wanted(format, filters, limit, page))


@tool(title="Build provenance")
@secure_operation(level=Level.LOW)
async def docker_get_provenance(
    call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None
) -> BuildProvenance:
    """Say who built an image, from which source, base and arguments, and which SLSA level the evidence supports."""
    from mcp_dockerhub.supply_chain.provenances import image_provenance

    return await image_provenance(call.supply_chain, call.grant, image, platform)


@tool(title="Verify signature")
@secure_operation(level=Level.LOW)
async def docker_verify_signature(
    call: Call,
    *,
    image: ImageArgument,
    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY, description="public key, PEM text")] | None = None,
    identity: Annotated[
        str, Field(min_length=1, max_length=MAX_IDENTITY, description="mail or workflow URL; * matches anything")
    ]
    | None = None,
    issuer: Annotated[str, Field(min_length=1, max_length=MAX_IDENTITY, description="OIDC issuer URL")] | None = None,
) -> SignatureVerification:
    """Verify an image's signatures against a key, or an identity with its issuer, or its known publisher."""
    from mcp_dockerhub.supply_chain.signatures.policy import Policy
    from mcp_dockerhub.supply_chain.verification import verify_signature

    return await verify_signature(call.supply_chain, call.grant, image, Policy.asked(key, identity, issuer))


TOOLS = (docker_get_vulnerabilities, docker_get_sbom, docker_get_provenance, docker_verify_signature)
