"""How long a start takes, beside the interpreter alone in the same image."""

import statistics
import time
from typing import Any

from tests.image.engine import HARDENED, PYTHON, Container, docker

RUNS = 5


def test_a_start_is_measured_beside_the_bare_interpreter(image: str, measured: dict[str, Any]) -> None:
    bare, server, health = [], [], []
    for _ in range(RUNS):
        bare.append(_seconds("--entrypoint", PYTHON, image, "-IB", "-c", "pass"))
        with Container(image) as container:
            container.initialize()
            server.append(container.seconds_to_reply)
        health.append(_seconds(image, "healthcheck"))
    medians = {
        "bare": statistics.median(bare),
        "server": statistics.median(server),
        "health": statistics.median(health),
    }
    measured["start_seconds"] = {name: round(value, 3) for name, value in medians.items()}
    # Compiling what is imported would take longer than this on any machine. The fastest runs are compared: what else
    # a machine has to do only ever adds.
    assert min(server) - min(bare) < 1.5
    assert min(health) - min(bare) < 0.25, "the health check imports too much"


def _seconds(*arguments: str) -> float:
    started = time.monotonic()
    docker("run", "--rm", *HARDENED, *arguments)
    return time.monotonic() - started
