"""Test the built wheel on any operating system: build it, install it beside the locked packages, run pytest.

    python scripts/test_wheel.py [PYTEST OPTION...]

``make test`` does the same with coverage, where there is make. No source of the server is importable here:
pytest runs with the tests alone on its path.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "build/test-wheel"
PIP: Final = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


def main() -> int:
    environment = WORK / "venv"
    wheels = WORK / "wheel"
    if not environment.exists():
        venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def run(*arguments: str) -> None:
        subprocess.run([str(python), *arguments], cwd=ROOT, check=True)

    run(*PIP, "install", "--require-hashes", "--requirement", "requirements/dev.lock")
    for old in wheels.glob("*.whl"):
        old.unlink()
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), ".")
    wheel = next(wheels.glob("*.whl"))
    run(*PIP, "install", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    # The checkout stays off the path, so that what is imported is what was installed; the demonstration and the
    # tests' own helpers are found in a folder that holds nothing else.
    path = WORK / "path"
    shutil.rmtree(path, ignore_errors=True)
    for name in ("tests", "demo"):
        shutil.copytree(ROOT / name, path / name)
    environment_of_tests = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(path)}
    tests = [str(python), "-m", "pytest", *sys.argv[1:]]
    return subprocess.run(tests, cwd=ROOT, env=environment_of_tests, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
