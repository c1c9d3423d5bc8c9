"""The demonstration, as somebody who tries the product first runs it."""

import subprocess
import sys

from demo.demo import QUESTIONS


def test_the_demonstration_answers_all_its_questions_without_an_error_or_a_warning() -> None:
    done = subprocess.run([sys.executable, "-m", "demo.demo"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"{len(QUESTIONS)} questions, 0 failed" in done.stdout
    assert "complete: 7 packages, each of them matched" in done.stdout
    assert "docker_get_vulnerabilities  ok" in done.stdout
    assert "   ! " not in done.stdout
    assert not done.stderr
