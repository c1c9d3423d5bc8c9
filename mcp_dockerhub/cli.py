"""The command line: flags → Settings → exit code.

Exit codes: 0 done; 1 the answer is an error or a check failed; 2 the command or the configuration is wrong.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub import __version__

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    return command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-dockerhub",
        description="MCP server that answers questions about container images on Docker Hub and any OCI registry.",
        epilog="Without a command: serve. Settings are environment variables; see docs/configuration.md.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_serve_flags(parser)
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve MCP over stdio (the default)")
    _add_serve_flags(serve, inherit=True)
    serve.set_defaults(command=_serve)

    call = commands.add_parser("call", help="call one tool through the whole pipeline and print its answer")
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("arguments", metavar="JSON", nargs="?", default="{}", help="arguments as a JSON object")
    call.add_argument("--json", action="store_true", help="print the structured answer instead of text")
    call.set_defaults(command=_call)

    doctor = commands.add_parser("doctor", help="check configuration, credentials, reachability and quota")
    doctor.set_defaults(command=_doctor)
    config = commands.add_parser("config", help="print the effective configuration, secrets masked")
    config.set_defaults(command=_config)
    health = commands.add_parser("healthcheck", help="ask a running server's metrics port whether it is alive")
    health.set_defaults(command=_healthcheck)

    audit = commands.add_parser("audit", help="work with an audit log").add_subparsers(
        title="audit commands", metavar="COMMAND", required=True
    )
    verify = audit.add_parser("verify", help="check the hash chain of an audit log")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.set_defaults(command=_audit_verify)
    return parser


def _add_serve_flags(parser: argparse.ArgumentParser, *, inherit: bool = False) -> None:
    # A subcommand's own default would overwrite what was given before its name.
    default: Any = argparse.SUPPRESS if inherit else None
    for flag, text in (
        ("--toolsets", "comma-separated toolsets to offer"),
        ("--tools", "comma-separated tools to offer in addition"),
        ("--exclude-tools", "comma-separated tools never to offer; wins"),
    ):
        parser.add_argument(flag, metavar="NAMES", default=default, help=text)
    for flag, text in (
        ("--read-only", "offer nothing that writes, whatever else is set"),
        ("--allow-writes", "offer tools that write"),
    ):
        parser.add_argument(flag, action="store_true", default=default, help=text)


def _with_settings(arguments: argparse.Namespace, run: Callable[[Any], int]) -> int:
    from mcp_dockerhub.settings import SettingsError, load_settings

    names = ("toolsets", "tools", "exclude_tools", "read_only", "allow_writes")
    overrides = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    try:
        return run(load_settings(overrides))
    except SettingsError as error:
        sys.stderr.write(f"mcp-dockerhub: cannot use the configuration:\n{error}\n")
        return UNUSABLE


def _serve(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.serving import serve

    return _with_settings(arguments, serve)


def _call(arguments: argparse.Namespace) -> int:
    import json

    try:
        values = json.loads(arguments.arguments)
    except (ValueError, RecursionError):
        sys.stderr.write("mcp-dockerhub: the arguments are not JSON.\n")
        return UNUSABLE
    if not isinstance(values, dict):
        sys.stderr.write("mcp-dockerhub: the arguments are not a JSON object.\n")
        return UNUSABLE

    from mcp_dockerhub.server import call_once

    return _with_settings(
        arguments, lambda settings: call_once(settings, arguments.tool, values, as_json=arguments.json)
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.doctor import diagnose

    return _with_settings(arguments, diagnose)


def _config(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.settings import describe

    def show(settings: Any) -> int:
        for name, value in describe(settings):
            print(f"{name}={value}")
        return OK

    return _with_settings(arguments, show)


def _healthcheck(_: argparse.Namespace) -> int:
    from mcp_dockerhub.healthcheck import check

    return check()


def _audit_verify(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub_security.audit import verify

    try:
        report = verify(arguments.file)
    except OSError as error:
        sys.stderr.write(f"mcp-dockerhub: the audit log cannot be read ({error.strerror}).\n")
        return UNUSABLE
    print(report.text)
    return OK if report.intact else FAILED
