"""Where this server may connect to: pure rules, enforced by the HTTP stack and by the guard.

The allow-list governs the registry that a reference names. Hosts chosen by the other side (redirect targets,
token realms) need not be on it, but must be https and resolve to public addresses only. The exceptions are
exactly the origins that the operator configured, plain http and private addresses included.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from mcp_dockerhub_security.addresses import is_public, literal_address
from mcp_dockerhub_security.refusals import Refusal, policy_denied

Purpose = Literal["request", "redirect", "realm"]
"""Why a URL is asked for: by us, because a redirect says so, or because a challenge names it."""

_WHAT: Final[dict[Purpose, str]] = {
    "request": "The request",
    "redirect": "A redirect",
    "realm": "The registry's token service",
}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOCAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home.arpa")
"""Names that no public resolver answers (RFC 6761, 6762, 8375); they matter where a proxy resolves."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be connected to. Every check returns nothing or raises a Refusal with POLICY_DENIED."""

    allowed_registries: frozenset[str] | None = None
    """Hosts a reference may name, as ``Repository.registry`` spells them; None leaves that to the caller's guard."""
    configured_origins: frozenset[str] = frozenset()
    """``scheme://host[:port]`` of everything the operator configured."""

    def __post_init__(self) -> None:
        normal = frozenset(origin_of(origin) for origin in self.configured_origins)
        object.__setattr__(self, "configured_origins", normal)

    def is_configured(self, origin: str) -> bool:
        """True for an origin (``scheme://host[:port]``) that the operator configured, port for port."""
        return origin_of(origin) in self.configured_origins

    def check_registry(self, host: str) -> None:
        """``host`` is the registry a reference names, with its port where given."""
        if self.allowed_registries is not None and host.lower() not in self.allowed_registries:
            raise policy_denied(
                f"The registry {_shown(host)} is not one that this server may read.",
                rule="egress_registry",
                hint="Name an image on an allowed registry, or ask the operator to allow this host.",
            )

    def check_url(self, url: str, purpose: Purpose) -> None:
        """``url`` is absolute; what is checked is its scheme, its user information and its host."""
        parts = _split(url, purpose)
        if "@" in parts.netloc:
            raise _denied(purpose, parts.hostname or "", "carries user information", "egress_userinfo")
        if self.is_configured(_origin(parts)):
            return
        host = parts.hostname or ""
        if parts.scheme != "https":
            raise _denied(purpose, host, "is not https", "egress_scheme")
        address = literal_address(host)
        if address is not None and not is_public(address):
            raise _denied(purpose, host, "is not a public address", "egress_address")
        name = host.rstrip(".")
        if name == "localhost" or name.endswith(_LOCAL_SUFFIXES):
            raise _denied(purpose, host, "is a name of the local network", "egress_local_name")

    def check_addresses(self, host: str, addresses: Iterable[str]) -> None:
        """All ``addresses`` that ``host`` resolved to: one that is not public refuses the whole name."""
        if not all(is_public(address) for address in addresses):
            raise policy_denied(
                f"The host {_shown(host)} resolves to an address that is not public.",
                rule="egress_address",
                hint="If this host is yours, the operator must configure its origin.",
            )


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` in normal form: lower case, without path and default port.

    Raises Refusal (POLICY_DENIED) for what is not an absolute http or https URL.
    """
    return _origin(_split(url, "request"))


def _split(url: str, purpose: Purpose) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _denied(purpose, "", "is not a valid URL", "egress_url") from None
    if (
        not url.isprintable()
        or parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or port == 0
        or "\\" in parts.netloc
    ):
        raise _denied(purpose, parts.hostname or "", "is not an absolute https URL", "egress_url")
    return parts


def _origin(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    suffix = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _denied(purpose: Purpose, host: str, what: str, rule: str) -> Refusal:
    where = f" to {_shown(host)}" if host else ""
    return policy_denied(
        f"{_WHAT[purpose]}{where} is refused: the target {what}.",
        rule=rule,
        hint="If this host is yours, the operator must configure its origin.",
    )


def _shown(host: str) -> str:
    """A host as a message may show it: hosts come from the other side and have no length of their own."""
    return host if len(host) <= 100 else host[:99] + "…"
