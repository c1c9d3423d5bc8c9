"""`python -m benchmarks.catalogue_images REGISTRY`: build and push the images that `benchmarks.catalogue` measures.

Needs `docker` with buildx and `syft` on the path, and indexes for pip and npm. Of each of `bench/python`,
`bench/distroless`, `bench/node` and `bench/mixed` there is tag `1`, and `2` on top of it; with `--sbom GENERATOR`,
the name of a BuildKit SBOM generator, also `attested`, which is `1` with an SBOM and provenance.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

DOCKERFILES: Final = {
    "python": """
FROM python:3.13-slim-trixie
RUN pip install --no-cache-dir django numpy pandas requests celery flask fastapi uvicorn sqlalchemy redis boto3 \\
      cryptography pillow jinja2 pytest black
""",
    "distroless": """
FROM python:3.13-slim-trixie AS build
RUN pip install --no-cache-dir --target /app flask requests cryptography sqlalchemy
FROM gcr.io/distroless/python3-debian13:nonroot
COPY --from=build /app /app
""",
    "node": """
FROM node:24-trixie-slim
WORKDIR /srv/app
RUN npm init -y && npm install --no-audit --no-fund express next react react-dom webpack eslint jest typescript
""",
    "mixed": """
FROM node:24-trixie-slim AS web
WORKDIR /web
RUN npm init -y && npm install --no-audit --no-fund express esbuild google-closure-compiler-java dprint
FROM python:3.13-slim-trixie AS jars
RUN pip install --no-cache-dir --target /spark --no-deps pyspark
FROM python:3.13-slim-trixie
RUN pip install --no-cache-dir requests flask
COPY --from=jars /spark/pyspark/jars /opt/jars
COPY --from=web /web /web
COPY syft /usr/local/bin/syft
RUN rm -rf /web/node_modules/express
""",
}
"""Debian's packages and one ecosystem each, and then Python, Node.js, Java and Go in one image of 500 MB."""
SECOND: Final = "FROM {base}\nCOPY second.txt /second.txt\n"


def build(folder: Path, dockerfile: str, image: str, *options: str) -> None:
    """Build in ``folder`` and push."""
    command = ["docker", "buildx", "build", "--quiet", "--network", "host", "--tag", image, "--file", "-"]
    subprocess.run([*command, *options, str(folder)], input=dockerfile.encode(), check=True)
    subprocess.run(["docker", "push", "--quiet", image], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("registry", help="host and port to push to")
    parser.add_argument("--sbom", metavar="GENERATOR")
    arguments = parser.parse_args()
    syft = shutil.which("syft")
    if syft is None:
        raise SystemExit("syft is not on the path: it is the Go program of one of the images")
    plain = "--provenance=false"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(syft, folder / "syft")
        (folder / "second.txt").write_text("One small layer more.")
        for title, dockerfile in DOCKERFILES.items():
            image = f"{arguments.registry}/bench/{title}"
            build(folder, dockerfile, f"{image}:1", plain)
            build(folder, SECOND.format(base=f"{image}:1"), f"{image}:2", plain)
            if arguments.sbom:
                options = (f"--sbom=generator={arguments.sbom}", "--provenance=mode=max")
                build(folder, dockerfile, f"{image}:attested", *options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
