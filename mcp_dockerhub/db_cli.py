"""``mcp-dockerhub db``: a database of advisories of one's own, to match packages with without a network.

Exit codes: 0 done; 1 it was not updated, or there is none; 2 the command or the configuration is wrong.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mcp_dockerhub.advisory_settings import AdvisorySettings
    from mcp_dockerhub.settings import Settings
    from mcp_dockerhub.supply_chain.advisories.feeds import Source
    from mcp_dockerhub.supply_chain.advisories.local.database import Archive
    from mcp_dockerhub.supply_chain.advisories.local.updating import Updated
    from mcp_dockerhub.transport.client import HttpClient

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2

ECOSYSTEMS: Final = (
    "Alpine", "Chainguard", "Debian", "Docker Hardened Images", "Go", "Maven", "NuGet", "Packagist", "PyPI",
    "RubyGems", "Ubuntu", "Wolfi", "crates.io", "npm",
)  # fmt: skip


def add_commands(commands: Any) -> None:
    """Add ``db`` and its commands to a parser's subcommands."""
    db = commands.add_parser("db", help="keep a local database of advisories").add_subparsers(
        title="db commands", metavar="COMMAND", required=True
    )
    update = db.add_parser("update", help="make the database, or fetch what changed since")
    update.add_argument(
        "--ecosystem",
        metavar="NAME",
        nargs="+",
        action="extend",
        default=[],
        help=f"what to hold, of {', '.join(ECOSYSTEMS)}; by default what it holds already",
    )
    _add_file(update)
    update.set_defaults(command=_update)
    status = db.add_parser("status", help="show what the database holds, and how old it is")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    _add_file(status)
    status.set_defaults(command=_status)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", type=Path, metavar="FILE", help="the database (MCP_DOCKERHUB_DATABASE)")


def _update(arguments: argparse.Namespace) -> int:
    import asyncio

    from mcp_dockerhub.advisory_settings import AdvisorySettings
    from mcp_dockerhub.environment import read
    from mcp_dockerhub.errors import Unsupported
    from mcp_dockerhub.settings import SettingsError, load_settings

    try:
        settings, advisory = load_settings(), read(AdvisorySettings)
    except SettingsError as error:
        return _unusable(f"cannot use the configuration:\n{error}")
    path = arguments.database or advisory.database
    if path is None:
        return _unusable("set MCP_DOCKERHUB_DATABASE, or say where the database is to be: --database FILE")
    try:
        ecosystems = _chosen(arguments.ecosystem, path)
    except ValueError as problem:
        return _unusable(str(problem))
    except Unsupported as error:
        return _failed(f"{error.message} {error.hint}")
    try:
        return asyncio.run(_run(settings, advisory, path, ecosystems))
    except KeyboardInterrupt:
        return _failed("stopped: the database is what it was")


async def _run(settings: "Settings", advisory: "AdvisorySettings", path: Path, ecosystems: Sequence[str]) -> int:
    from mcp_dockerhub.errors import DockerHubError
    from mcp_dockerhub.services import build_clients
    from mcp_dockerhub.supply_chain.advisories.local.updating import NotUpdated, Updater

    clients = build_clients(settings, advisory=advisory)
    try:
        feeds = _feeds(advisory, clients.http)
        updated = await Updater(clients.http, advisory.osv_archive_url, path, feeds).update(ecosystems, _say)
    except DockerHubError as error:
        return _failed(f"{error.message} The database is what it was.")
    except NotUpdated as error:
        return _failed(str(error))
    finally:
        await clients.aclose()
    _report(updated)
    return OK


def _feeds(advisory: "AdvisorySettings", http: "HttpClient") -> Mapping[str, "Source"]:
    """The lists that are kept with the advisories, fetched anew each time."""
    from mcp_dockerhub.advisory_settings import EPSS, KEV
    from mcp_dockerhub.cache import Cache
    from mcp_dockerhub.supply_chain.advisories import epss, kev
    from mcp_dockerhub.supply_chain.advisories.composition import source_of

    cache = Cache()
    places = {"kev": (advisory.kev_url or KEV, kev.LISTING), "epss": (advisory.epss_url or EPSS, epss.LISTING)}
    sources = {name: source_of(place, listing, http, cache) for name, (place, listing) in places.items()}
    return {name: source for name, source in sources.items() if source is not None}


def _named(names: Sequence[str]) -> list[str]:
    """The ecosystems meant, in any case and with or without a release. Raises ValueError for one that is not known."""
    known = {name.lower(): name for name in ECOSYSTEMS}
    found: dict[str, None] = {}
    for name in names:
        base = name.partition(":")[0].lower()
        if base not in known:
            raise ValueError(f"no ecosystem {name!r} is matched here; there are {', '.join(ECOSYSTEMS)}")
        found[known[base]] = None
    return list(found)


def _chosen(names: Sequence[str], path: Path) -> list[str]:
    """The ecosystems that are named, else those the database holds.

    Raises ValueError where that is none, Unsupported for a file that is no database, or is damaged.
    """
    from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase

    chosen = _named(names)
    if not chosen and path.exists():
        chosen = list(LocalDatabase(path).archives())
    if not chosen:
        raise ValueError("there is no database yet: say what it is to hold, such as --ecosystem PyPI Debian")
    return chosen


def _status(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.advisory_settings import AdvisorySettings
    from mcp_dockerhub.environment import read
    from mcp_dockerhub.errors import Unsupported
    from mcp_dockerhub.scan.streams import Unwritable, put
    from mcp_dockerhub.settings import SettingsError
    from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase

    try:
        path = arguments.database or read(AdvisorySettings).database
    except SettingsError as error:
        return _unusable(f"cannot use the configuration:\n{error}")
    if path is None:
        return _unusable("set MCP_DOCKERHUB_DATABASE, or say where the database is: --database FILE")
    try:
        archives = LocalDatabase(path).archives()
    except Unsupported as error:
        return _failed(f"{error.message} {error.hint}")
    try:
        put(_shown(path, archives, as_json=arguments.json))
    except Unwritable as error:
        return _failed(str(error))
    return OK


def _shown(path: Path, archives: Mapping[str, "Archive"], *, as_json: bool) -> str:
    if as_json:
        rows = [
            {
                "ecosystem": archive.ecosystem,
                "advisories": archive.advisories,
                "unreadable": archive.unreadable,
                "updated": archive.updated.isoformat(),
            }
            for archive in archives.values()
        ]
        document = {"database": str(path), "bytes": path.stat().st_size, "ecosystems": rows}
        return json.dumps(document, indent=2) + "\n"
    now = datetime.now(UTC)
    lines = [f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"]
    for archive in archives.values():
        age = (now - archive.updated).total_seconds() / 86_400
        left = f", {archive.unreadable} unreadable" if archive.unreadable else ""
        lines.append(f"{archive.ecosystem:24} {archive.advisories:>9,} advisories, {age:.1f} days old{left}\n")
    return "".join(lines)


def _report(updated: "Updated") -> None:
    for archive in updated.archives.values():
        if archive.unreadable:
            _say(f"{archive.ecosystem}: {archive.unreadable} advisories could not be read and are not matched")
    for warning in updated.warnings:
        _say(f"not fetched, the last one stays: {warning}")
    total = sum(archive.advisories for archive in updated.archives.values())
    _say(f"done: {total:,} advisories of {', '.join(updated.archives)}")


def _say(text: str) -> None:
    from mcp_dockerhub.scan.streams import say

    say(text)


def _unusable(problem: str) -> int:
    _say(f"mcp-dockerhub: {problem}")
    return UNUSABLE


def _failed(problem: str) -> int:
    _say(f"mcp-dockerhub: {problem}")
    return FAILED
