"""``/status``: how the server does, on one page that a person can read at three in the morning.

Self-contained: no script, no asset, a content security policy that allows nothing but this very style sheet. It
shows nothing of the audit log, of callers or of images, because the port is not authenticated.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Final

from . import definitions as d
from . import svg
from .endpoint import Reply
from .health import Health, HealthMonitor
from .history import Cell, History, WindowName, together
from .metrics import Metrics

REFRESH: Final = 15
"""Seconds between reloads."""
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--paper:#fff;--card:#f6f8fa;--line:#d0d7de;
--good:#1a7f37;--warn:#9a6700;--bad:#b3261e;--data:#0550ae}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9da7b3;--paper:#0d1117;--card:#161b22;--line:#30363d;
--good:#3fb950;--warn:#d29922;--bad:#f85149;--data:#79c0ff}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:70rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
.state{padding:.6rem 1rem;border-radius:.4rem;border:2px solid currentColor;background:var(--card);font-weight:600}
.healthy,.good{color:var(--good)}.degraded,.warn{color:var(--warn)}.unhealthy,.bad{color:var(--bad)}
rect.good{fill:var(--good)}rect.warn{fill:var(--warn)}rect.bad{fill:var(--bad)}rect.track{fill:var(--line)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}
figure{margin:0;padding:.6rem;background:var(--card);border:1px solid var(--line);border-radius:.4rem}
figcaption{color:var(--dim);margin-bottom:.3rem}figcaption b{color:var(--ink)}
svg{width:100%;height:auto;display:block}
.line{fill:none;stroke:var(--data);stroke-width:2;stroke-linecap:round}.axis{fill:none;stroke:var(--dim)}
.tick{font-size:13px;fill:var(--dim)}.end{text-anchor:end}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--dim)}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right}
a{color:var(--data)}a:focus-visible,.scroll:focus-visible{outline:3px solid var(--data);outline-offset:2px}
footer{color:var(--dim);margin-top:2rem}
""".strip()
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_DIGEST}'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_HTML: Final = "text/html; charset=utf-8"


def status_route(
    metrics: Metrics,
    health: HealthMonitor,
    history: History,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[], Reply]:
    """The handler of ``/status``."""

    def handle() -> Reply:
        page = _page(health.health(), metrics, history, now())
        return Reply(HTTPStatus.OK, page.encode(), _HTML, POLICY)

    return handle


def _page(health: Health, metrics: Metrics, history: History, moment: datetime) -> str:
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH}">'
        f"<title>{health.status.value}: mcp-dockerhub</title><style>{_STYLE}</style></head>"
    )
    sections = [
        _state(health),
        _section("Health", _parts(health)),
        _section("Traffic and latency", _traffic(history)),
        _section("Tools", _tools(history)),
        _section("Upstreams", _upstreams(metrics)),
        _section("Quota, cache and memory", _resources(metrics)),
        _section("Limits and refusals", _refusals(metrics)),
    ]
    footer = (
        f"<footer>As of {moment:%Y-%m-%d %H:%M:%S} UTC; reloads every {REFRESH} s. "
        '<a href="/metrics">metrics</a> · <a href="/readyz">readiness</a></footer>'
    )
    return f"{head}<body><main>{''.join(sections)}{footer}</main></body></html>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _state(health: Health) -> str:
    why = "; ".join(health.reasons) or "every part works"
    return (
        f'<h1>mcp-dockerhub</h1><p class="state {health.status.value}" role="status">{health.status.value} '
        f"since {health.since:%Y-%m-%d %H:%M} UTC: {escape(why)}</p>"
    )


def _parts(health: Health) -> str:
    rows = [
        (f'<span class="{part.status.value}">{part.status.value}</span>', escape(part.name), escape(part.reason))
        for part in health.components
    ]
    return _table("Each part, and what was seen", ("state", "part", "seen"), rows)


def _traffic(history: History) -> str:
    charts = []
    for window, span, slot in _SHOWN:
        cells = _totals(history, window)
        charts += [
            svg.line_chart(f"Calls per {slot}", [float(cell.calls) for cell in cells], "", span),
            svg.line_chart(f"p95 latency per {slot}", [cell.sketch.quantile(0.95) for cell in cells], " s", span),
            svg.line_chart(f"Faults per {slot}", [float(cell.errors) for cell in cells], "", span),
        ]
    return _grid(charts)


_SHOWN: Final[Sequence[tuple[WindowName, str, str]]] = (("1h", "1 h", "5 minutes"), ("24h", "24 h", "hour"))
"""Windows drawn, what they span, and the length of their slots."""


def _totals(history: History, window: WindowName) -> list[Cell]:
    return [together(slot.cells.values()) for slot in history.closed_slots(window)]


def _tools(history: History) -> str:
    view = history.window("1h")
    rows = [
        (
            escape(name),
            str(stats.calls),
            str(stats.errors),
            str(stats.refusals),
            _seconds(stats.p50),
            _seconds(stats.p95),
        )
        for name, stats in sorted(view.operations.items(), key=lambda item: -item[1].calls)
    ]
    header = ("operation", "calls", "faults", "refused", "p50", "p95")
    return _table("The last hour", header, rows, numbers=1) if rows else "<p>No calls in the last hour.</p>"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def _upstreams(metrics: Metrics) -> str:
    counts: dict[str, dict[str, float]] = {}
    for (host_class, _, outcome), value in metrics.values(d.UPSTREAM_REQUESTS):
        kind = outcome if outcome in ("2xx", "3xx", "4xx") else "failed"
        row = counts.setdefault(host_class, {})
        row[kind] = row.get(kind, 0.0) + value
    rows = [
        (escape(name), *(f"{row.get(kind, 0):.0f}" for kind in ("2xx", "3xx", "4xx", "failed")))
        for name, row in sorted(counts.items())
    ]
    header = ("host class", "2xx", "3xx", "4xx", "failed")
    table = _table("Requests since the start", header, rows, numbers=1) if rows else "<p>Nothing was asked yet.</p>"
    broken = sum(value for _, value in metrics.values(d.CIRCUITS))
    state = f"{broken:.0f} circuit(s) not closed" if broken else "every circuit is closed"
    return f'<p class="{"bad" if broken else "good"}">{state}</p>{table}'


def _resources(metrics: Metrics) -> str:
    metrics.refresh()
    charts = []
    quota = metrics.known_quota
    if quota is not None:
        used = quota[0] - quota[1]
        charts.append(svg.bar("Docker Hub pulls", used, quota[0], f"{quota[1]} of {quota[0]} left"))
    hits, misses = (sum(value for _, value in metrics.values(x)) for x in (d.CACHE_HITS, d.CACHE_MISSES))
    ratio = f"{hits / (hits + misses):.0%} of {hits + misses:.0f} look-ups" if hits + misses else "no look-ups yet"
    size = metrics.value(d.CACHE_BYTES)
    usage, limit = metrics.value(d.MEMORY_USAGE), metrics.value(d.MEMORY_LIMIT)
    charts.append(svg.bar("Memory", usage, limit, f"{usage / 1e6:,.0f} of {limit / 1e6:,.0f} MB"))
    return f"<p>The cache answered {ratio} and holds {size / 1e6:.1f} MB.</p>{_grid(charts)}"


def _refusals(metrics: Metrics) -> str:
    kinds: Sequence[tuple[str, d.Definition]] = (
        ("input", d.INPUT_REFUSALS),
        ("policy", d.POLICY_DENIALS),
        ("authentication", d.AUTHENTICATION_FAILURES),
        ("limit", d.LIMIT_DECISIONS),
    )
    rows = [
        (kind, escape(" ".join(labels)), f"{value:.0f}")
        for kind, definition in kinds
        for labels, value in sorted(metrics.values(definition))
        if labels[0] != "allowed"
    ]
    if not rows:
        return "<p>Nothing was refused.</p>"
    return _table("Since the start", ("kind", "rule", "times"), rows, numbers=2)


def _grid(charts: Iterable[str]) -> str:
    return f'<div class="grid">{"".join(charts)}</div>'


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 99) -> str:
    """Rows of HTML; columns from ``numbers`` on are numbers. It scrolls by keyboard where it is too wide."""

    def cells(tag: str, row: Sequence[str]) -> str:
        scope = ' scope="col"' if tag == "th" else ""
        kinds = [' class="n"' if index >= numbers else "" for index in range(len(row))]
        marked = [f"<{tag}{scope}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True)]
        return f"<tr>{''.join(marked)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead>{cells('th', header)}</thead><tbody>{body}</tbody></table></div>"
    )
