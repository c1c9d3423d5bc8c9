"""The command line: flags → Settings → exit code.

Exit codes: 0 done; 1 the answer is an error or a check failed; 2 the command or the configuration is wrong.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from mcp_dockerhub import __version__, audit_cli, db_cli, scan_cli, token_cli

OK: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        code = command(arguments)
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left in the buffer must not fail at the exit. What was not
        # said may have been that a check failed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


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

    serve = commands.add_parser("serve", help="serve MCP over stdio or HTTP (the default command)")
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

    scan_cli.add_commands(commands)
    _add_policy_commands(commands)
    audit_cli.add_commands(commands)
    db_cli.add_commands(commands)
    token_cli.add_commands(commands)
    return parser


def _add_policy_commands(commands: Any) -> None:
    policy = commands.add_parser("policy", help="work with the policy file").add_subparsers(
        title="policy commands", metavar="COMMAND", required=True
    )
    check = policy.add_parser("check", help="say whether a call would be allowed, and by which rule, without making it")
    check.add_argument("tool", metavar="TOOL")
    check.add_argument("arguments", metavar="JSON", nargs="?", default="{}", help="arguments as a JSON object")
    check.add_argument("--as", dest="role", metavar="ROLE", default="", help="a role of the policy file")
    check.add_argument("--tenant", metavar="TENANT", default="", help="a tenant of the policy file")
    check.add_argument(
        "--address",
        metavar="IP",
        default="",
        help="where the call comes from; unknown unless given, which meets every refusing rule",
    )
    check.add_argument("--json", action="store_true", help="print the decision as JSON")
    check.set_defaults(command=_policy_check)


def _add_serve_flags(parser: argparse.ArgumentParser, *, inherit: bool = False) -> None:
    # A subcommand's own default would overwrite what was given before its name.
    default: Any = argparse.SUPPRESS if inherit else None
    for flag, text in (
        ("--toolsets", "comma-separated toolsets to offer"),
        ("--tools", "comma-separated tools to offer in addition"),
        ("--exclude-tools", "comma-separated tools never to offer; wins"),
    ):
        parser.add_argument(flag, metavar="NAMES", default=default, help=text)
    parser.add_argument("--transport", choices=("stdio", "http"), default=default, help="stdio unless given")
    parser.add_argument("--host", default=default, help="address to listen on (http)")
    parser.add_argument("--port", type=int, default=default, help="port to listen on (http)")
    for flag, text in (
        ("--read-only", "offer nothing that writes, whatever else is set"),
        ("--allow-writes", "offer tools that write"),
        ("--lockdown", "leave out free text of publishers that are neither official nor verified"),
    ):
        parser.add_argument(flag, action="store_true", default=default, help=text)


def _with_settings(arguments: argparse.Namespace, run: Callable[[Any], int]) -> int:
    from mcp_dockerhub.settings import SettingsError, load_settings

    names = ("transport", "toolsets", "tools", "exclude_tools", "read_only", "allow_writes", "lockdown")
    try:
        return run(load_settings(_given(arguments, names)))
    except SettingsError as error:
        sys.stderr.write(f"mcp-dockerhub: cannot use the configuration:\n{error}\n")
        return UNUSABLE


def _given(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name, None)) is not None}


def _serve(arguments: argparse.Namespace) -> int:
    from mcp_dockerhub.serving import serve

    return _with_settings(arguments, lambda settings: serve(settings, _given(arguments, ("host", "port"))))


def _json_object(text: str) -> dict[str, Any] | None:
    """The arguments of a tool as they were typed; None, with a word on stderr, for anything but a JSON object."""
    import json

    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        sys.stderr.write("mcp-dockerhub: the arguments are not JSON.\n")
        return None
    if not isinstance(values, dict):
        sys.stderr.write("mcp-dockerhub: the arguments are not a JSON object.\n")
        return None
    return values


def _policy_check(arguments: argparse.Namespace) -> int:
    values = _json_object(arguments.arguments)
    if values is None:
        return UNUSABLE

    from mcp_dockerhub.policy_check import Asked, check

    asked = Asked(arguments.tool, values, arguments.role, arguments.tenant, arguments.address)
    return _with_settings(arguments, lambda settings: check(settings, asked, as_json=arguments.json))


def _call(arguments: argparse.Namespace) -> int:
    values = _json_object(arguments.arguments)
    if values is None:
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
        from mcp_dockerhub.advisory_settings import AdvisorySettings
        from mcp_dockerhub.environment import read
        from mcp_dockerhub.protection_settings import load_protection_settings
        from mcp_dockerhub.scan_settings import ScanSettings
        from mcp_dockerhub.token_settings import load_token_settings
        from mcp_dockerhub.web_settings import load_web_settings

        parts = [settings, load_protection_settings(), read(ScanSettings), read(AdvisorySettings)]
        parts += [load_web_settings(), load_token_settings()] if settings.transport == "http" else []
        for name, value in (line for part in parts for line in describe(part)):
            print(f"{name}={value}")
        return OK

    return _with_settings(arguments, show)


def _healthcheck(_: argparse.Namespace) -> int:
    from mcp_dockerhub.healthcheck import check

    return check()
