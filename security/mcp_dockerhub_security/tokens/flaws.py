"""Why a token is refused, and why one could not be looked at."""

from enum import StrEnum


class Flaw(StrEnum):
    """What is wrong with a token. The value is the rule of audit records and metrics; the text is for the client."""

    SIZE = "token_size"
    MALFORMED = "token_malformed"
    HEADER = "token_header"
    ALGORITHM = "token_algorithm"
    TYPE = "token_type"
    KEY_ID = "token_key_id"
    KEY_UNKNOWN = "token_key_unknown"
    SIGNATURE = "token_signature"
    ISSUER = "token_issuer"
    AUDIENCE = "token_audience"
    AUDIENCE_SHARED = "token_audience_shared"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    ISSUED_IN_FUTURE = "token_issued_in_future"
    TOO_OLD = "token_too_old"
    DATES = "token_dates"
    SUBJECT = "token_subject"
    CLIENT = "token_client"
    SCOPES = "token_scopes"
    TENANT = "token_tenant"
    ROLES = "token_roles"
    CLAIMS = "token_claims"
    INACTIVE = "token_inactive"
    OPAQUE = "token_opaque"
    REVOKED = "token_revoked"

    @property
    def description(self) -> str:
        """One sentence without anything of the token; fit for ``error_description`` (RFC 6750, section 3)."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Flaw.SIZE: "The token is too long.",
    Flaw.MALFORMED: "The token is not a well-formed JSON Web Token.",
    Flaw.HEADER: "The token's header holds a parameter that is not accepted.",
    Flaw.ALGORITHM: "The token's signature algorithm is not accepted.",
    Flaw.TYPE: "The token is not an access token.",
    Flaw.KEY_ID: "The token's key identifier is not acceptable.",
    Flaw.KEY_UNKNOWN: "The token's key is not one of its issuer's.",
    Flaw.SIGNATURE: "The token's signature is wrong.",
    Flaw.ISSUER: "The token is of another issuer.",
    Flaw.AUDIENCE: "The token is not meant for this server.",
    Flaw.AUDIENCE_SHARED: "The token is meant for other servers too.",
    Flaw.EXPIRED: "The token has expired.",
    Flaw.NOT_YET_VALID: "The token is not valid yet.",
    Flaw.ISSUED_IN_FUTURE: "The token was issued in the future.",
    Flaw.TOO_OLD: "The token was issued too long ago.",
    Flaw.DATES: "The token's dates are missing or not numbers.",
    Flaw.SUBJECT: "The token names no acceptable subject.",
    Flaw.CLIENT: "The token names no acceptable client_id.",
    Flaw.SCOPES: "The token's scopes are not acceptable.",
    Flaw.TENANT: "The token names no acceptable tenant.",
    Flaw.ROLES: "The token's roles are not acceptable.",
    Flaw.CLAIMS: "The token's claims are not acceptable.",
    Flaw.INACTIVE: "The token is not active.",
    Flaw.OPAQUE: "The token is not a JSON Web Token, and no other kind is accepted.",
    Flaw.REVOKED: "The token was revoked.",
}


class TokenRefused(Exception):
    """The token will not do; getting another one may."""

    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw
        super().__init__(flaw.description)


class AuthorityUnavailable(Exception):
    """Whether the token is good cannot be found out now; ``retry_after_s`` is when to try again, in seconds.

    Raised by key and introspection sources too, for every failure to get an answer that can be used.
    """

    def __init__(self, retry_after_s: float = 5.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("The token's issuer cannot be asked now.")
