"""``mcp-dockerhub token``: take access tokens back before they expire, on every replica at once.

Exit codes: 0 done; 1 Redis did not do it; 2 the command or the configuration is wrong.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from mcp_dockerhub_security.redis_link import RedisLink

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2

Work = Callable[["Redis", str], Awaitable[list[str]]]
"""What to do with the list of that key; the lines to print."""


class _Unusable(Exception):
    """The command cannot be carried out; the message says why, and holds no part of a token."""


def add_commands(commands: Any) -> None:
    """Add ``token`` and its commands to a parser's subcommands."""
    token = commands.add_parser("token", help="take access tokens back").add_subparsers(
        title="token commands", metavar="COMMAND", required=True
    )
    revoke = token.add_parser("revoke", help="refuse tokens from now on, on every replica")
    revoke.add_argument(
        "identifiers", metavar="JTI", nargs="*", help="the token's `jti`; without any, a token is read from stdin"
    )
    revoke.set_defaults(command=_revoke)
    restore = token.add_parser("restore", help="accept revoked tokens again")
    restore.add_argument("identifiers", metavar="JTI", nargs="+", help="as `revoked` shows it")
    restore.set_defaults(command=_restore)
    revoked = token.add_parser("revoked", help="list what is revoked")
    revoked.set_defaults(command=lambda arguments: _run(arguments, _listed))


def _revoke(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.tokens.redis_revocation import restored_key

    def prepare() -> Work:
        names = arguments.identifiers or [_identifier(sys.stdin.read(_MAX_INPUT).strip())]
        _check_revocable(names)

        async def revoke(client: "Redis", key: str) -> list[str]:
            await client.srem(restored_key(key), *names)
            await client.sadd(key, *names)
            return [f"revoked: {_shown(name)}" for name in names]

        return revoke

    return _run(arguments, prepare)


def _restore(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.tokens.redis_revocation import restored_key

    def prepare() -> Work:
        async def restore(client: "Redis", key: str) -> list[str]:
            # Processes remember what they refused, for the case that Redis forgets; this tells them.
            await client.sadd(restored_key(key), *arguments.identifiers)
            removed = await client.srem(key, *arguments.identifiers)
            return [f"restored: {removed} of {len(arguments.identifiers)}"]

        return restore

    return _run(arguments, prepare)


def _listed() -> Work:
    async def listed(client: "Redis", key: str) -> list[str]:
        return sorted(_shown(name) for name in await cast("Awaitable[set[str]]", client.smembers(key)))

    return listed


_MAX_INPUT: Final = 64 * 1024


def _shown(identifier: str) -> str:
    """Identifiers are the issuer's choice: a terminal must not act on them."""
    return ascii(identifier)[1:-1]


def _check_revocable(names: Sequence[str]) -> None:
    """Putting what no token is called by on the list would only look as if something had been revoked."""
    from mcp_dockerhub_security.tokens.claims import is_name
    from mcp_dockerhub_security.tokens.compact import looks_signed

    for name in names:
        if looks_signed(name) and name.startswith(_JSON_IN_BASE64):
            raise _Unusable("that is a token and not its `jti`: nothing is revoked; give the token on stdin")
        if not is_name(name):
            raise _Unusable("no accepted token has such a `jti`: nothing is revoked")


_JSON_IN_BASE64: Final = "ey"
"""How every header of a JSON Web Token begins."""


def _identifier(token: str) -> str:
    """What the list names a JSON Web Token by: its ``jti``, or a digest of what was signed. Nothing is verified."""
    from mcp_dockerhub.token_settings import load_token_settings
    from mcp_dockerhub_security.tokens.compact import parse_compact
    from mcp_dockerhub_security.tokens.flaws import TokenRefused
    from mcp_dockerhub_security.tokens.strict_json import strict_object

    settings = load_token_settings()
    try:
        parts = parse_compact(token, algorithms=frozenset(settings.algorithms), types=frozenset(settings.types))
        found = strict_object(parts.payload).get("jti")
    except (TokenRefused, ValueError):
        raise _Unusable(
            "that is not a JSON Web Token that this server would look at; an opaque one is revoked at its issuer"
        ) from None
    return found if isinstance(found, str) and found else parts.fingerprint


def _run(arguments: argparse.Namespace, prepare: Callable[[], Work]) -> int:
    import asyncio

    from mcp_dockerhub.settings import SettingsError
    from mcp_dockerhub_security.redis_link import RedisUnavailableError

    try:
        lines = asyncio.run(_asked(prepare()))
    except (SettingsError, _Unusable) as error:
        sys.stderr.write(f"mcp-dockerhub: {error}\n")
        return UNUSABLE
    except RedisUnavailableError as error:
        sys.stderr.write(f"mcp-dockerhub: nothing is changed: {error}.\n")
        return FAILED
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return OK


async def _asked(work: Work) -> list[str]:
    from mcp_dockerhub_security.tokens.redis_revocation import key_of

    async with aclosing(_link()) as link:
        return await link.run(lambda client: work(client, key_of(link.prefix)))


def _link() -> "RedisLink":
    from mcp_dockerhub.protection_settings import load_protection_settings
    from mcp_dockerhub.settings import PREFIX
    from mcp_dockerhub_security.redis_link import RedisLink

    settings = load_protection_settings()
    if settings.redis_url is None:
        raise _Unusable(f"{PREFIX}REDIS_URL: needed, since the list of revoked tokens is in Redis")
    return RedisLink(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
