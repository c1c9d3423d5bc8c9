"""Log lines: standard error only, one event per line, nothing in them that was not meant to be there.

All code logs through the standard library with a constant message and its values in ``extra``. A value is
shown only where its field is on the allow-list; every text is bounded and has what looks like a credential
withheld. Other libraries' arguments are not filled into their messages at all: nobody vouches for them.

structlog renders the lines. It is imported with the first record that is shown, since it costs more than
the rest of this package together and most runs over stdio log nothing.
"""

import contextlib
import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Protocol, TextIO

Style = Literal["json", "console"]
Level = Literal["debug", "info", "warning", "error", "critical"]

OWN_LOGGERS: Final = ("mcp_dockerhub", "mcp_dockerhub_security", "mcp_dockerhub_monitoring")
FIELDS: Final = frozenset(
    {
        "attempt",
        "bytes",
        "circuit",
        "code",
        "component",
        "count",
        "error_type",
        "host",
        "host_class",
        "kind",
        "limit",
        "method",
        "outcome",
        "path",
        "port",
        "reason",
        "remaining",
        "rule",
        "seconds",
        "source",
        "state",
        "status",
        "tool",
        "transport",
        "version",
    }
)
"""Fields of ``extra`` whose values are shown; of any other only the name is, under ``withheld``."""
MAX_TEXT: Final = 300
"""Characters of one value or message."""
MAX_FRAMES: Final = 16

WITHHELD: Final = "[withheld]"
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic|digest|token)\s+[\w.~+/=-]{6,}"), rf"\1 {WITHHELD}"),
    (re.compile(r"\b(?:dckr_[a-z]{3}_|gh[a-z]_|github_pat_|glpat-)[\w-]+"), WITHHELD),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*"), WITHHELD),
    (re.compile(r"://[^/\s@]+@"), f"://{WITHHELD}@"),
    (re.compile(r"(?<=[\w/])\?[^\s\"'<>]*=[^\s\"'<>]*"), f"?{WITHHELD}"),
    (
        re.compile(r"(?i)([\w-]*(?:password|passwd|secret|token|api[-_]?key|signature))([\"']?\s*[=:]\s*)\S+"),
        rf"\1\2{WITHHELD}",
    ),
)
"""A net under the allow-list, for free text: exceptions and messages of other libraries."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

request_id: ContextVar[str] = ContextVar("mcp_dockerhub_log_request_id", default="")
"""The JSON-RPC id of the request being handled; every line logged in it carries it."""


class Renderer(Protocol):
    """A structlog processor at the end of a chain."""

    def __call__(self, logger: Any, name: str, event_dict: dict[str, Any], /) -> str | bytes: ...


def safe_text(value: str) -> str:
    """``value`` on one line, bounded, without control characters and credentials."""
    text = value[: 4 * MAX_TEXT]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def safe_value(value: object) -> object:
    """``value`` where it is a plain one, else the name of its type."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return safe_text(value) if isinstance(value, str) else f"<{type(value).__name__}>"


def event_of(record: logging.LogRecord, fields: Collection[str], context: Mapping[str, str]) -> dict[str, object]:
    """What is shown of a record, in the order it is shown."""
    event: dict[str, object] = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": _message(record),
    }
    if request_id.get():
        event["request_id"] = safe_text(request_id.get())
    event.update((name, safe_text(value)) for name, value in context.items())
    withheld = []
    for name, value in record.__dict__.items():
        if name in fields:
            event[name] = safe_value(value)
        elif name not in _STANDARD:
            withheld.append(safe_text(name))
    if withheld:
        event["withheld"] = sorted(withheld)
    if record.exc_info and record.exc_info[1] is not None:
        event["error"] = _error(record.exc_info[1])
    return event


def _message(record: logging.LogRecord) -> str:
    """Our own messages with their arguments; of others only the template."""
    if not isinstance(record.msg, str):
        return f"<{type(record.msg).__name__}>"
    if record.args and record.name.partition(".")[0] in OWN_LOGGERS:
        try:
            return safe_text(record.getMessage())
        except (TypeError, ValueError, KeyError):
            return safe_text(record.msg)
    return safe_text(record.msg)


def _error(error: BaseException) -> dict[str, object]:
    """Type, bounded message, where it was raised (no values of variables) and the types of its causes."""
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < 5:
        causes.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return {
        "type": type(error).__name__,
        "message": safe_text(str(error)),
        "stack": list(_frames(error.__traceback__))[-MAX_FRAMES:],
        "causes": causes,
    }


def _frames(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{'/'.join(code.co_filename.split('/')[-2:])}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next


class Repeats:
    """Lets through the first ``limit`` records of a kind per ``period`` seconds and counts the rest."""

    MAX_KINDS: Final = 512

    def __init__(self, limit: int = 20, period: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._period = period
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, int, str], list[float]] = OrderedDict()

    def admit(self, record: logging.LogRecord) -> int | None:
        """None to drop the record, else how many of its kind were dropped since the last one shown."""
        kind = (record.name, record.levelno, str(record.msg)[:MAX_TEXT])
        now = self._clock()
        seen = self._kinds.get(kind)
        if seen is None or now - seen[0] >= self._period:
            dropped = 0 if seen is None else max(0, int(seen[1]) - self._limit)
            self._kinds[kind] = [now, 1]
            self._kinds.move_to_end(kind)
            if len(self._kinds) > self.MAX_KINDS:
                self._kinds.popitem(last=False)
            return dropped
        seen[1] += 1
        return 0 if seen[1] <= self._limit else None


class LineHandler(logging.Handler):
    """Writes records as lines; the renderer is built with the first one."""

    def __init__(
        self,
        style: Style = "json",
        *,
        stream: TextIO | None = None,
        fields: Collection[str] = FIELDS,
        context: Callable[[], Mapping[str, str]] = dict,
        repeats: Repeats | None = None,
    ) -> None:
        """``stream`` defaults to standard error as it is when a line is written.

        ``context`` gives further fields of the moment, such as the trace id; it vouches for them.
        """
        super().__init__()
        self._style = style
        self._stream = stream
        self._fields = frozenset(fields)
        self._context = context
        self._repeats = repeats or Repeats()
        self._renderer: Renderer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            dropped = self._repeats.admit(record)
            if dropped is None:
                return
            event = event_of(record, self._fields, self._context())
            if dropped:
                event["repeats_dropped"] = dropped
            self._write(self._render(event))
        except Exception:  # noqa: BLE001 - logging must not break what it reports on
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the library's
        """Say that a line is lost, without the record's values, which the library would print."""
        with contextlib.suppress(OSError, ValueError):  # standard error is closed: nowhere is left to say it
            self._write(f'{{"level": "error", "event": "log record lost", "line": {record.lineno}}}')

    def _write(self, line: str) -> None:
        stream = self._stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()

    def _render(self, event: dict[str, object]) -> str:
        if self._renderer is None:
            self._renderer = _renderer(self._style, self._stream or sys.stderr)
        line = self._renderer(None, str(event["level"]), event)
        return line if isinstance(line, str) else line.decode()


def _renderer(style: Style, stream: TextIO) -> Renderer:
    import structlog

    # A structlog logger that nobody configured prints to standard output, which belongs to the protocol.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)


def configure_logging(
    level: Level = "info",
    style: Style = "json",
    *,
    fields: Collection[str] = FIELDS,
    context: Callable[[], Mapping[str, str]] = dict,
) -> LineHandler:
    """Send every logger's records to standard error through one handler, replacing what was set up before.

    ``level`` holds for our own loggers; other libraries' are shown from ``warning`` up, or from ``debug``
    where that is asked for.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = LineHandler(style, fields=fields, context=context)
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(True)
    return handler
