"""``mcp-dockerhub audit``: prove a log, look into it, make a key for it.

Exit codes: 0 done, and for ``verify`` intact and as proven as was asked for; 1 a log is not; 2 it cannot be read or
the command is wrong.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mcp_dockerhub_security.audit_query import Filter
    from mcp_dockerhub_security.audit_verify import Anchor

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2

_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Unusable(Exception):
    """The command cannot be carried out; the message says why."""


def add_commands(commands: Any) -> None:
    """Add ``audit`` and its commands to a parser's subcommands."""
    audit = commands.add_parser("audit", help="prove an audit log, or look into it").add_subparsers(
        title="audit commands", metavar="COMMAND", required=True
    )
    verify = audit.add_parser("verify", help="find any record that was changed, removed, put in or moved")
    _add_file(verify)
    verify.add_argument(
        "--public-key",
        metavar="KEY",
        type=Path,
        action="append",
        default=[],
        help="prove it by checkpoints signed with the private one (repeatable)",
    )
    verify.add_argument("--anchors", action="store_true", help="prove it by the heads anchored in Redis")
    verify.set_defaults(command=lambda arguments: _run(_verify, arguments))

    tail = audit.add_parser("tail", help="show the last records")
    _add_file(tail)
    tail.add_argument("-n", "--lines", metavar="COUNT", type=_count, default=20, help="how many (20)")
    _add_filters(tail)
    tail.set_defaults(command=lambda arguments: _run(_tail, arguments))

    query = audit.add_parser("query", help="show all records that match")
    _add_file(query)
    _add_filters(query)
    query.set_defaults(command=lambda arguments: _run(_query, arguments))

    keygen = audit.add_parser("keygen", help="make a key pair that signs and proves checkpoints")
    keygen.add_argument("key", metavar="KEY", type=Path, help="where the private key goes; KEY.pub gets the public one")
    keygen.set_defaults(command=lambda arguments: _run(_keygen, arguments))


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", nargs="?", help="the log (MCP_DOCKERHUB_AUDIT_FILE, of every process there)"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    for name in ("principal", "tenant", "tool", "outcome", "decision", "event"):
        parser.add_argument(f"--{name}", default="", help=f"only of this {name}")
    parser.add_argument("--target", default="", help="only with a target that contains this")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="ISO 8601 (UTC), or an age: 90s, 30m, 2h, 7d")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="before this")
    parser.add_argument("--json", action="store_true", help="print the records as they are in the log")


def _run(command: Any, arguments: argparse.Namespace) -> int:
    try:
        return int(command(arguments))
    except BrokenPipeError:
        # That is about the output, and the same for all commands.
        raise
    except OSError as error:
        name = f" ({Path(error.filename).name})" if error.filename else ""
        return _complain(f"the audit log cannot be read{name}: {error.strerror or 'it failed'}.")
    except _Unusable as error:
        return _complain(str(error))


def _complain(message: str) -> int:
    sys.stderr.write(f"mcp-dockerhub: {message}\n")
    return UNUSABLE


def _verify(arguments: argparse.Namespace) -> int:
    import asyncio

    from mcp_dockerhub_security.audit_keys import AuditKeyError, PublicKeys
    from mcp_dockerhub_security.audit_verify import verify

    try:
        keys = PublicKeys.load(arguments.public_key)
    except AuditKeyError as error:
        raise _Unusable(f"--public-key: {error}.") from None
    anchors = asyncio.run(_anchors()) if arguments.anchors else None
    reports = {path: verify(path, keys=keys, anchors=anchors) for path in _files(arguments)}
    for path, report in reports.items():
        _print(f"{path}:" if len(reports) > 1 else "", report.text)
    known = {report.chain for report in reports.values()}
    for line in _elsewhere(anchors or {}, known):
        _print(line)
    return OK if all(report.satisfies for report in reports.values()) else FAILED


def _elsewhere(anchors: "Mapping[str, Anchor]", known: Iterable[str]) -> Iterator[str]:
    missing = {chain: anchor for chain, anchor in anchors.items() if chain not in known}
    if missing:
        yield "Anchored but not here; logs of other replicas, or logs that were removed:"
    for chain, anchor in missing.items():
        where = f"{anchor.file} of instance {anchor.instance}"
        yield f"  chain {chain}: sequence {anchor.sequence} at {anchor.time}, {where}"


async def _anchors() -> "dict[str, Anchor]":
    from mcp_dockerhub.protection_settings import load_protection_settings
    from mcp_dockerhub.settings import SettingsError
    from mcp_dockerhub_security.redis_anchors import RedisAnchors
    from mcp_dockerhub_security.redis_link import RedisLink, RedisUnavailableError

    try:
        settings = load_protection_settings()
    except SettingsError as error:
        raise _Unusable(f"cannot use the configuration:\n{error}") from None
    if settings.redis_url is None:
        raise _Unusable("--anchors: MCP_DOCKERHUB_REDIS_URL says where they are, and is not set.")
    link = RedisLink(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix, timeout=5)
    try:
        return await RedisAnchors(link).all()
    except RedisUnavailableError as error:
        raise _Unusable(f"--anchors: {error}.") from None
    finally:
        await link.aclose()


def _tail(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.audit_query import tail

    for path in _files(arguments):
        _show(tail(path, arguments.lines, _filter(arguments)), as_json=arguments.json)
    return OK


def _query(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.audit_query import query

    for path in _files(arguments):
        _show(query(path, _filter(arguments)), as_json=arguments.json)
    return OK


def _show(records: Iterable[tuple[dict[str, Any], bytes]], *, as_json: bool) -> None:
    from mcp_dockerhub_security.audit_query import render

    for record, line in records:
        _print(line.decode("utf-8", "replace").rstrip("\n") if as_json else render(record))


def _filter(arguments: argparse.Namespace) -> "Filter":
    from mcp_dockerhub_security.audit_query import Filter

    names = ("principal", "tenant", "tool", "target", "outcome", "decision", "event", "since", "until")
    return Filter(**{name: getattr(arguments, name) for name in names})


def _files(arguments: argparse.Namespace) -> list[Path]:
    if arguments.file is not None:
        return [arguments.file]
    from mcp_dockerhub.settings import SettingsError, load_settings
    from mcp_dockerhub_security.audit_segments import writer_paths

    try:
        name = load_settings().audit_file
    except SettingsError as error:
        raise _Unusable(f"cannot use the configuration:\n{error}") from None
    if name in ("", "-"):
        raise _Unusable("which log? Give FILE, or set MCP_DOCKERHUB_AUDIT_FILE.")
    return writer_paths(Path(name)) or [Path(name)]


def _keygen(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.audit_keys import generate_key

    try:
        public = generate_key(arguments.key)
    except OSError as error:
        raise _Unusable(f"the key cannot be written ({error.strerror}).") from None
    _print(
        f"Private key: {arguments.key}, for MCP_DOCKERHUB_AUDIT_KEY_FILE of the server.",
        f"Public key: {public}, for `mcp-dockerhub audit verify --public-key`; keep it where the log is verified.",
    )
    return OK


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines if line))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a number")
    return int(text)


def _moment(text: str) -> datetime:
    from mcp_dockerhub_security.audit_query import parse_time

    ago = _AGO.fullmatch(text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return parse_time(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be ISO 8601 or an age such as 30m, 2h, 7d") from None
