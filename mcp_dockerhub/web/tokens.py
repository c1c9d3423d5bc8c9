"""From settings to working token checks: what composition plugs into the HTTP layers.

The issuer has an HTTP stack of its own: its origins are exempt from the egress rules there and nowhere else, so no
registry can redirect a request to it, and the two never share a connection.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from mcp_dockerhub.settings import PREFIX, SettingsError
from mcp_dockerhub.token_settings import TokenSettings
from mcp_dockerhub.transport.observer import NULL_OBSERVER, UpstreamObserver
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from mcp_dockerhub.web.issuer import IssuerIntrospection, IssuerKeys
from mcp_dockerhub.web_settings import WebSettings
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE
from mcp_dockerhub_security.tokens.audience import Audience
from mcp_dockerhub_security.tokens.bearer import BearerAuthenticator
from mcp_dockerhub_security.tokens.challenge import Challenges
from mcp_dockerhub_security.tokens.claims import ClaimRules
from mcp_dockerhub_security.tokens.jwt_tokens import JwtVerifier
from mcp_dockerhub_security.tokens.key_store import KeyStore
from mcp_dockerhub_security.tokens.metadata import ProtectedResource, protected_resource
from mcp_dockerhub_security.tokens.opaque_tokens import OpaqueVerifier
from mcp_dockerhub_security.tokens.revocation import MemoryRevocationList, RevocationList
from mcp_dockerhub_security.tokens.step_up import Requirements, TokenStepUp
from mcp_dockerhub_security.tokens.throttle import FailureThrottle
from mcp_dockerhub_security.tokens.verifier import TokenVerifier


@dataclass(frozen=True, slots=True)
class TokenChecks:
    """Everything about tokens of one process."""

    authenticator: BearerAuthenticator
    """Satisfies ``web.authentication.Authenticator``."""
    challenges: Challenges
    resource: ProtectedResource
    """Its ``encoded()`` document belongs at each of its ``paths``, unauthenticated."""
    _http: HttpStack
    _keys: KeyStore
    _introspection: IssuerIntrospection | None
    _opaque: OpaqueVerifier | None

    @classmethod
    def build(
        cls,
        web: WebSettings,
        settings: TokenSettings,
        options: StackOptions,
        *,
        writes: bool = False,
        revocations: RevocationList | None = None,
        observer: UpstreamObserver = NULL_OBSERVER,
    ) -> "TokenChecks":
        """Nothing here connects to anything.

        ``options`` are those of the registries' stack: proxy, certificates and time limits are the same.

        Raises:
            SettingsError: the public URL cannot be a resource's name.
        """
        resource = _resource(web, writes=writes)
        http = HttpStack(_issuer_options(web, settings, options), observer=observer)
        keys = KeyStore(IssuerKeys(http, web.issuer, web.jwks_url), frozenset(settings.algorithms))
        rules = ClaimRules(
            web.issuer, Audience(resource.uri, settings.shared_audience), settings.tenant_claim, settings.roles_claim
        )
        jwt = JwtVerifier(rules, keys, algorithms=frozenset(settings.algorithms), types=frozenset(settings.types))
        introspection = _introspection(settings, http)
        opaque = OpaqueVerifier(rules, introspection) if introspection is not None else None
        verifier = TokenVerifier(jwt, revocations or MemoryRevocationList(), opaque=opaque)
        challenges = Challenges(resource.metadata_url, READ)
        authenticator = BearerAuthenticator(verifier, FailureThrottle(), challenges)
        return cls(authenticator, challenges, resource, http, keys, introspection, opaque)

    def step_up(self, requirements: Requirements) -> TokenStepUp:
        """What satisfies ``web.authentication.StepUp``, for operations that need what ``requirements`` say."""
        return TokenStepUp(requirements, self.challenges)

    def problem(self) -> str | None:
        """What is wrong with the issuer, for health; it makes no replica unready, since known keys and tokens serve."""
        return self._keys.problem() or (self._introspection.problem() if self._introspection else None)

    async def aclose(self) -> None:
        """Stop asking and close all connections."""
        await self._keys.aclose()
        if self._opaque is not None:
            await self._opaque.aclose()
        await self._http.aclose()


def _resource(web: WebSettings, *, writes: bool) -> ProtectedResource:
    scopes = (READ, READ_PRIVATE, *((WRITE, ADMIN) if writes else ()))
    try:
        return protected_resource(web.resource, web.issuer, scopes)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}PUBLIC_URL: {error}.") from None


def _issuer_options(web: WebSettings, settings: TokenSettings, options: StackOptions) -> StackOptions:
    urls = [url for url in (web.issuer, web.jwks_url, settings.introspection_url) if url]
    origins = frozenset(f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls))
    return replace(options, configured_origins=origins, allowed_registries=frozenset())


def _introspection(settings: TokenSettings, http: HttpStack) -> IssuerIntrospection | None:
    secret = settings.introspection_client_secret
    if not settings.introspection_url or secret is None:
        return None
    return IssuerIntrospection(
        http, settings.introspection_url, settings.introspection_client_id, secret.get_secret_value()
    )
