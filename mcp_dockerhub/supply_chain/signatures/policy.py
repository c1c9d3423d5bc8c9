"""Whose signature is wanted: a key, or an identity and the issuer that vouches for it."""

from dataclasses import dataclass

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.supply_chain.signatures.keys import PublicKey
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict


@dataclass(frozen=True, slots=True)
class Policy:
    """At most one of a key, key fingerprints, and an identity with its issuer; none means: say who signed."""

    key: PublicKey | None = None
    fingerprints: frozenset[str] = frozenset()
    """Of keys a publisher is known to sign with; the key itself must come with the signature."""
    identity: str = ""
    """Compared whole; ``*`` stands for any characters."""
    issuer: str = ""
    """Compared whole."""
    publisher: str = ""
    """Whose policy it is, where it is a built-in one."""

    @classmethod
    def asked(cls, key: str | None, identity: str | None, issuer: str | None) -> "Policy | None":
        """What a caller asks for, None when they do not say; raise InvalidInput for what cannot be meant."""
        if key and (identity or issuer):
            raise InvalidInput("Give either a key, or an identity with its issuer: a signature is checked by one.")
        if key:
            return cls(key=PublicKey.parse(key))
        if bool(identity) != bool(issuer):
            raise InvalidInput(
                "An identity and its issuer belong together: without the issuer anyone could vouch for the identity.",
                hint="For GitHub Actions the issuer is https://token.actions.githubusercontent.com.",
            )
        return cls(identity=identity, issuer=issuer) if identity and issuer else None

    @property
    def wants_key(self) -> bool:
        return self.key is not None or bool(self.fingerprints)

    @property
    def is_open(self) -> bool:
        """Whether any signer will do, to be named."""
        return not self.wants_key and not self.identity

    def __str__(self) -> str:
        if self.key:
            return f"key {self.key.fingerprint}"
        if self.fingerprints:
            return f"one of {self.publisher}'s keys"
        return str(Signer(self.identity, self.issuer)) if self.identity else "any signer"

    def accepts(self, signer: Signer) -> bool:
        """Whether a proven identity is the one wanted."""
        if self.is_open:
            return True
        return signer.issuer == self.issuer and matches(self.identity, signer.identity)

    def proven(self, signer: Signer, how: str, logged: "Verdict | None" = None) -> Verdict:
        """The verdict on a signature proven to be by ``signer``."""
        logged_at = logged.logged_at if logged else None
        if self.accepts(signer):
            return Verdict(Outcome.VERIFIED, how, signer, logged_at)
        return Verdict(Outcome.OTHER_SIGNER, "It is valid, and by somebody else than asked for.", signer, logged_at)


def matches(pattern: str, text: str) -> bool:
    """Whether ``text`` is ``pattern``, where ``*`` stands for any characters.

    Each part is taken where it first occurs, which is enough and takes no longer than the text is long.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or not text[len(first) :].endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
