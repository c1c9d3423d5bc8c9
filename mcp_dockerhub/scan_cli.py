"""``mcp-dockerhub scan`` and ``report``: the arguments. Nothing heavier is loaded before they are known to be right.

Exit codes: 0 nothing counts and everything was looked at; 1 something counts; 2 it could not be found out.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub.scan.vocabulary import FORMATS, THRESHOLDS

if TYPE_CHECKING:
    from mcp_dockerhub.scan.judging import Verdict
    from mcp_dockerhub.scan.running import Request

UNSCANNED: Final = 2
_MAX_VEX: Final = 16 * 1024 * 1024


class _Unusable(Exception):
    """The command cannot be carried out; the message says why."""


def add_commands(commands: Any) -> None:
    """Add ``scan`` and ``report`` to a parser's subcommands."""
    scan = commands.add_parser(
        "scan",
        help="look for known vulnerabilities in an image, for CI",
        description="Look for known vulnerabilities in an image.",
        epilog="Exit codes: 0 nothing counts and everything was looked at; 1 something counts; "
        "2 it could not be found out. See docs/scan.md.",
    )
    _add_target(scan)
    scan.add_argument("--format", choices=FORMATS, default="table", help="what to write (table)")
    scan.add_argument("--output", metavar="FILE", type=Path, help="where to write it (standard output)")
    _add_rules(scan)
    scan.set_defaults(command=_scan)

    report = commands.add_parser(
        "report",
        help="write what is known about an image's vulnerabilities as a page",
        description="Write what is known about an image's vulnerabilities as one self-contained page.",
        epilog="Exit codes as for scan; unless --fail-on is given, findings do not make it fail.",
    )
    _add_target(report)
    report.add_argument("--html", metavar="FILE", type=Path, required=True, help="where to write the page")
    _add_rules(report)
    report.set_defaults(command=_report, fail_on="none")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="a reference as after `docker pull`, oci-layout:DIR[:TAG] or docker-archive:FILE[:TAG]",
    )
    parser.add_argument("--platform", metavar="OS/ARCH", default="", help="which image of several (linux/amd64)")


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-on",
        choices=THRESHOLDS,
        default="any",
        help="what counts: findings this severe, or known to be exploited (kev); exploited ones always count",
    )
    parser.add_argument("--ignore-unfixed", action="store_true", help="set aside what has no fix yet")
    parser.add_argument("--ignore", metavar="FILE", type=Path, help="TOML with ids to set aside, why, and until when")
    parser.add_argument(
        "--vex", metavar="FILE", type=Path, action="append", default=[], help="an OpenVEX document (repeatable)"
    )
    parser.add_argument(
        "--no-attached-vex", action="store_true", help="leave out VEX documents that are attached to the image"
    )
    parser.add_argument("--baseline", metavar="IMAGE", default="", help="set aside what this image has too")
    parser.add_argument(
        "--deny-license",
        metavar="SPDX",
        action="append",
        default=[],
        help="fail on packages under it: comma-separated SPDX identifiers, * matches anything (repeatable)",
    )
    parser.add_argument(
        "--allow-incomplete", action="store_true", help="exit 0 although not everything could be looked at"
    )
    parser.add_argument(
        "--scanner", choices=("builtin", "trivy"), default="builtin", help="who matches packages to advisories"
    )
    parser.add_argument("--cross-check", action="store_true", help="ask Trivy too and list where the two disagree")


def _scan(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.scan.formats import written

    return _run(arguments, lambda verdict: written(verdict, arguments.format), arguments.output)


def _report(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.scan.page import written

    return _run(arguments, written, arguments.html)


def _run(arguments: argparse.Namespace, write: Any, output: Path | None) -> int:
    from mcp_dockerhub.errors import DockerHubError
    from mcp_dockerhub.scan.streams import Unwritable
    from mcp_dockerhub.settings import SettingsError
    from mcp_dockerhub_security.refusals import Refusal

    try:
        verdict = _verdict(arguments)
        _deliver(write(verdict), output)
        if output is not None:
            _say_conclusion(verdict)
        return int(verdict.exit)
    except (DockerHubError, Refusal) as error:
        return _complain(f"cannot scan: {error.message} {error.hint}".rstrip())
    except SettingsError as error:
        return _complain(f"cannot use the configuration:\n{error}")
    except (_Unusable, Unwritable) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("stopped before anything was found out.")
    except Exception as error:  # noqa: BLE001 -- an escaping one would exit with 1, which says that something was found
        return _complain(f"cannot scan: a defect of this program ({type(error).__name__}).")


def _verdict(arguments: argparse.Namespace) -> "Verdict":
    from mcp_dockerhub.scan.progress import progress_for
    from mcp_dockerhub.scan.running import run
    from mcp_dockerhub.settings import load_settings

    request = _request(arguments)
    progress = progress_for()
    try:
        return run(load_settings(), request, progress)
    finally:
        progress.clear()


def _request(arguments: argparse.Namespace) -> "Request":
    """Every file is read first: a wrong one must not cost a scan."""
    from mcp_dockerhub.platform import Platform
    from mcp_dockerhub.scan.ignoring import read_ignore_file
    from mcp_dockerhub.scan.judging import Rules
    from mcp_dockerhub.scan.running import Request
    from mcp_dockerhub.scan.target import parse_target

    if arguments.cross_check and arguments.scanner == "trivy":
        raise _Unusable("--cross-check compares the built-in scanner with Trivy: leave out --scanner trivy.")
    if arguments.vex and arguments.scanner == "trivy":
        raise _Unusable("--vex is for the built-in scanner.")
    today = datetime.now(UTC).date()
    rules = Rules(
        fail_on=arguments.fail_on,
        ignore_unfixed=arguments.ignore_unfixed,
        ignore=read_ignore_file(arguments.ignore, today) if arguments.ignore else None,
        deny_licenses=_names(arguments.deny_license),
        allow_incomplete=arguments.allow_incomplete,
    )
    return Request(
        image=parse_target(arguments.image),
        platform=Platform.parse(arguments.platform) if arguments.platform else None,
        rules=rules,
        vex=tuple((str(path), _bytes(path)) for path in arguments.vex),
        attached_vex=not arguments.no_attached_vex,
        baseline=parse_target(arguments.baseline) if arguments.baseline else None,
        trivy=arguments.scanner == "trivy",
        cross_check=arguments.cross_check,
    )


def _names(values: Sequence[str]) -> tuple[str, ...]:
    found = tuple(name for value in values for part in value.split(",") if (name := part.strip()))
    if values and not found:
        raise _Unusable("--deny-license names no license.")
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_VEX + 1)
    except OSError as error:
        raise _Unusable(f"{path} cannot be read ({error.strerror or 'it failed'}).") from None
    if len(raw) > _MAX_VEX:
        raise _Unusable(f"{path} is larger than {_MAX_VEX} bytes.")
    return raw


def _deliver(text: str, output: Path | None) -> None:
    from mcp_dockerhub.scan.streams import put

    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _Unusable(f"{output} cannot be written ({error.strerror or 'it failed'}).") from None
        return
    put(text)


def _say_conclusion(verdict: "Verdict") -> None:
    from mcp_dockerhub.scan.formats.words import conclusion
    from mcp_dockerhub.scan.streams import say

    say(f"mcp-dockerhub: {conclusion(verdict)}")


def _complain(message: str) -> int:
    from mcp_dockerhub.scan.streams import say

    say(f"mcp-dockerhub: {message}")
    return UNSCANNED
