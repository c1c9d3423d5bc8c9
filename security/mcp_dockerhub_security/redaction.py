"""Withholding what looks like a secret in environment variables, labels, build arguments, commands and logs.

Names are judged by their words (``DB_PASSWORD``, ``apiKey``), so ``AUTHOR``, ``KEYBOARD`` or ``PATH`` are not
secrets; neither is where a secret lies (``PASSWORD_FILE``), nor a public key's fingerprint (``GPG_KEY``, which
official images carry). Values are judged by the shapes of known tokens. Both are heuristics: they find what is
usual, and say so with a visible marker.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

WITHHELD: Final = "[withheld]"
_MAX_DEPTH: Final = 8

_SECRET_WORDS: Final = frozenset(
    {"AUTH", "AUTHORIZATION", "BEARER", "COOKIE", "CRED", "CREDENTIAL", "CREDENTIALS", "CREDS", "JWT", "KEY", "KEYS"}
    | {"PASS", "PASSPHRASE", "PASSWD", "PASSWORD", "PASSWORDS", "PWD", "SECRET", "SECRETS", "TOKEN", "TOKENS"}
)
_SECRET_ENDINGS: Final = (
    "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS",
    "APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY", "AUTHKEY",
)  # fmt: skip
_KEY_WORDS: Final = frozenset({"KEY", "KEYS"})
_PUBLIC_KEY_WORDS: Final = frozenset({"GPG", "PGP", "PUBLIC", "PUB", "FINGERPRINT", "RELEASE", "VERSION"})
_LOCATIONS: Final = frozenset({"FILE", "PATH", "DIR", "DIRECTORY", "URL", "URI", "HOST", "SOCK", "SERVER", "SERVERS"})
_PLAIN_NAMES: Final = frozenset({"PWD", "OLDPWD"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TELLS_NOTHING: Final = frozenset({"", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null"})

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"gh[opusr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{20,255}"
    r"|dckr_[po]at_[A-Za-z0-9_-]{16,255}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{35}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|sk[-_][A-Za-z0-9_-]{20,255}|npm_[A-Za-z0-9]{30,255}"
    r"|pypi-[A-Za-z0-9_-]{30,255}|hf_[A-Za-z0-9]{30,255}|hv[sb]\.[A-Za-z0-9_-]{20,255}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"
    r"|eyJ[A-Za-z0-9_-]{6,4096}\.[A-Za-z0-9_-]{6,8192}\.[A-Za-z0-9_-]{0,4096}"
    r")"
)
_USERINFO: Final = re.compile(r"(?<=://)[^/\s:@]{0,256}:[^/\s@]{1,1024}(?=@)")
_ASSIGNMENT: Final = re.compile(
    r"(?<![A-Za-z0-9_.$-])(-{0,2}[A-Za-z_][A-Za-z0-9_.-]{0,127})=(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'$;&|][^\s;&|]*)"
)


def is_secret_name(name: str) -> bool:
    """True when a variable, label or field of this name usually holds a secret."""
    if name.upper() in _PLAIN_NAMES:
        return False
    words = [word.upper() for word in _WORD.findall(name[:256])]
    if not words or words[-1] in _LOCATIONS:
        return False
    found = {word for word in words if word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS)}
    if found <= _KEY_WORDS and "PRIVATE" not in words and not _PUBLIC_KEY_WORDS.isdisjoint(words):
        return False
    return bool(found)


def is_secret_value(value: str) -> bool:
    """True when a value has the shape of a token or private key, or is a URL with a password."""
    return any(pattern.search(value) for pattern in (_TOKEN, _PRIVATE_KEY, _USERINFO))


def redact_text(text: str) -> str:
    """Free text with known kinds of secrets replaced, the rest as it was."""
    for pattern in (_PRIVATE_KEY, _TOKEN, _USERINFO):
        text = pattern.sub(WITHHELD, text)
    return text


def redact_pair(name: str, value: str) -> str:
    """The value of a named variable, label or argument as it may be shown."""
    if is_secret_name(name) and value.strip().lower() not in _TELLS_NOTHING:
        return WITHHELD
    return redact_text(value)


def redact_command(text: str) -> str:
    """A command, history line or Dockerfile: values assigned to secret names, and known tokens, are replaced.

    References to variables (``PASSWORD=$OTHER``) say nothing and stay.
    """
    return redact_text(_ASSIGNMENT.sub(_assigned, text))


def redact_mapping(values: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """A log event or configuration with secrets replaced at every level (eight at most)."""
    return {name: _redacted(name, value, depth) for name, value in values.items()}


def _redacted(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_pair(name, value)
    if isinstance(value, Mapping | list | tuple):
        if depth >= _MAX_DEPTH:
            return WITHHELD
        if isinstance(value, Mapping):
            return WITHHELD if is_secret_name(name) else redact_mapping(value, depth + 1)
        return [_redacted(name, part, depth + 1) for part in value]
    return WITHHELD if isinstance(value, bytes) else value


def _assigned(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    bare = value.strip("\"'")
    if bare.startswith("$") or redact_pair(name, bare) == bare:
        return match[0]
    return f"{name}={redact_pair(name, bare)}"
