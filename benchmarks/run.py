"""`make bench`: the speed bars, as ratios to a bare server of the same SDK in the same run.

Prints a table, writes `benchmarks/results/latest.json`, and fails when a bar is not kept.
"""

import json
import platform
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.http_calls import http_calls
from benchmarks.measures import (
    Bench,
    Measure,
    cached_call,
    compile_packages,
    concurrent_calls,
    many_tags,
    print_table,
    start_and_memory,
    tools_list,
)
from benchmarks.monitoring import monitoring_prices
from benchmarks.security import security_prices
from tests.upstreams.seeded import running_upstreams

RESULTS: Final = Path(__file__).parent / "results"


def main() -> int:
    compile_packages()
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-bench-") as folder, running_upstreams() as upstreams:
        bench = Bench(upstreams, Path(folder))
        groups = (
            start_and_memory,
            cached_call,
            concurrent_calls,
            tools_list,
            many_tags,
            security_prices,
            monitoring_prices,
            http_calls,
        )
        measures = [measure for group in groups for measure in group(bench)]
    print_table(measures)
    write(measures)
    return 0 if all(measure.kept for measure in measures) else 1


def write(measures: Iterable[Measure]) -> None:
    RESULTS.mkdir(exist_ok=True)
    report = {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "measures": [asdict(measure) | {"kept": measure.kept} for measure in measures],
    }
    (RESULTS / "latest.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
