"""Style and script of the page, and the policy that allows exactly these two."""

import base64
import hashlib
from typing import Final

SEVERITY_COLOURS: Final = {
    "critical": ("#a1122f", "#ff8a96"),
    "high": ("#b3420a", "#ffa26b"),
    "medium": ("#8a6100", "#e3b341"),
    "low": ("#0550ae", "#79c0ff"),
    "negligible": ("#57606a", "#9da7b3"),
    "unknown": ("#6e40aa", "#d2a8ff"),
}
"""On light and on dark paper."""
COLOURS: Final = {
    "ink": ("#1b1f24", "#e6edf3"),
    "dim": ("#57606a", "#9da7b3"),
    "paper": ("#ffffff", "#0d1117"),
    "card": ("#f6f8fa", "#161b22"),
    "line": ("#d0d7de", "#30363d"),
    "bar": ("#6e7781", "#8b949e"),
    "good": ("#1a7f37", "#3fb950"),
    "warn": ("#8a6100", "#d29922"),
    "bad": ("#a1122f", "#ff8a96"),
    "data": ("#0550ae", "#79c0ff"),
}


def _variables(place: int) -> str:
    return ";".join(f"--{name}:{pair[place]}" for name, pair in {**COLOURS, **SEVERITY_COLOURS}.items())


_SEVERITIES: Final = "".join(
    f".s-{name}{{color:var(--{name})}}rect.s-{name}{{fill:var(--{name})}}" for name in SEVERITY_COLOURS
)
STYLE: Final = (
    f":root{{color-scheme:light dark;{_variables(0)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(1)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:1.8rem 0 .4rem}
.state{padding:.6rem 1rem;border-radius:.4rem;border:2px solid currentColor;background:var(--card);font-weight:600}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:.2rem 1.5rem;margin:0}
.facts dt{color:var(--dim)}.facts dd{margin:0 0 .4rem;overflow-wrap:anywhere}
.counts{display:flex;flex-wrap:wrap;gap:.6rem;padding:0;margin:.8rem 0;list-style:none}
.counts li{border:1px solid var(--line);background:var(--card);border-radius:.4rem;padding:.4rem .8rem;min-width:6rem}
.counts b{display:block;font-size:1.5rem;line-height:1.2}
form{display:flex;flex-wrap:wrap;gap:.6rem 1rem;align-items:end;background:var(--card);border:1px solid var(--line);
border-radius:.4rem;padding:.7rem}
label{display:block;color:var(--dim);font-size:.9rem}label.check{display:flex;gap:.4rem;align-items:center;
color:var(--ink);font-size:1rem;min-height:2.2rem}
input[type=search],select{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--bar);
border-radius:.3rem;padding:.25rem .5rem;min-height:2.2rem}input[type=search]{width:18rem;max-width:100%}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--dim)}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;white-space:nowrap}td.s{white-space:nowrap;font-weight:600}
td code{overflow-wrap:anywhere}code{font:.9em ui-monospace,monospace}
tr.aside td{color:var(--dim)}.why{color:var(--dim);font-size:.9rem;overflow-wrap:anywhere}
#findings td:nth-child(2) a{white-space:nowrap}#findings td:nth-child(2),#findings td:nth-child(8){min-width:13rem}
#findings td:nth-child(3){min-width:12rem}#findings td:nth-child(4),#findings td:nth-child(5){min-width:7rem}
.tag{display:inline-block;border:1px solid currentColor;border-radius:.3rem;padding:0 .35rem;font-size:.8rem;
font-weight:600;margin-right:.3rem}
figure{margin:0;padding:.6rem;background:var(--card);border:1px solid var(--line);border-radius:.4rem}
figcaption{color:var(--dim);margin-bottom:.3rem}svg{width:100%;height:auto;display:block}
svg text{fill:var(--ink);font-size:13px}svg text.dim{fill:var(--dim)}svg text.end{text-anchor:end}
rect.size{fill:var(--bar)}rect.base{fill:var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.4rem 0 0;padding:0;list-style:none;font-size:.9rem}
a{color:var(--data)}
a:focus-visible,.scroll:focus-visible,input:focus-visible,select:focus-visible,summary:focus-visible{
outline:3px solid var(--data);outline-offset:2px}
[hidden]{display:none}footer{color:var(--dim);margin-top:2rem}
""" + _SEVERITIES
)
SCRIPT: Final = """
(function () {
  "use strict";
  var form = document.getElementById("filter");
  var rows = Array.prototype.slice.call(document.querySelectorAll("#findings tbody tr"));
  var shown = document.getElementById("shown");
  if (!form || !shown) { return; }
  function value(name) { return form.elements[name].value; }
  function ticked(name) { return form.elements[name].checked; }
  function fits(row, words) {
    var data = row.dataset;
    return (!value("severity") || data.severity === value("severity")) &&
      (!value("where") || data.where === value("where")) &&
      (!ticked("fixable") || data.fixable === "yes") &&
      (!ticked("exploited") || data.exploited === "yes") &&
      (ticked("aside") || data.aside === "no") &&
      words.every(function (word) { return data.text.indexOf(word) >= 0; });
  }
  function apply() {
    var words = value("words").toLowerCase().split(/\\s+/).filter(Boolean);
    var count = 0;
    rows.forEach(function (row) {
      var fit = fits(row, words);
      row.hidden = !fit;
      count += fit ? 1 : 0;
    });
    shown.textContent = count + " of " + rows.length + " findings shown";
  }
  form.addEventListener("input", apply);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  apply();
}());
"""


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; "
    "base-uri 'none'; form-action 'none'"
)
