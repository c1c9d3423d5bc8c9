"""Record an image and everything attached to it as one JSON file: manifests, configurations, statements, signatures.

    python scripts/record_attestations.py http://127.0.0.1:5000 example/app 1 cosign.pub > golden.json

Layers of the image itself are left out. Only for registries on loopback: nothing authenticates.
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
LAYERS = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


class Recorder:
    """Follows manifests to all they list."""

    def __init__(self, base: str, repository: str) -> None:
        self.base = f"{base}/v2/{repository}"
        self.manifests: dict[str, dict[str, str]] = {}
        self.blobs: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def tag(self, name: str) -> str | None:
        """Record what a tag names; None where there is no such tag."""
        try:
            digest = self.manifest(name)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        self.tags[name] = digest
        return digest

    def manifest(self, reference: str) -> str:
        request = urllib.request.Request(f"{self.base}/manifests/{reference}", headers={"accept": ACCEPT})
        with urllib.request.urlopen(request, timeout=10) as answer:  # nosec B310
            text = answer.read().decode()
            digest = str(answer.headers["docker-content-digest"])
            self.manifests[digest] = {"type": answer.headers["content-type"], "text": text}
        document = json.loads(text)
        for child in document.get("manifests", ()):
            self.manifest(child["digest"])
        for blob in (document.get("config"), *document.get("layers", ())):
            if blob and not blob["mediaType"].startswith(LAYERS):
                self.blob(blob["digest"])
        return digest

    def blob(self, digest: str) -> None:
        with urllib.request.urlopen(f"{self.base}/blobs/{digest}", timeout=10) as answer:  # nosec B310
            self.blobs[digest] = answer.read().decode()


def main(base: str, repository: str, tag: str, key: str) -> None:
    recorder = Recorder(base, repository)
    digest = recorder.tag(tag)
    if digest is None:
        raise SystemExit(f"{repository}:{tag} does not exist")
    for subject in [digest, *recorder.manifests]:
        for kind in ("sig", "att", "sbom"):
            recorder.tag(f"{subject.replace(':', '-')}.{kind}")
    found = {
        "repository": repository,
        "key": Path(key).read_text(encoding="utf-8"),
        "tags": recorder.tags,
        "manifests": recorder.manifests,
        "blobs": recorder.blobs,
    }
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:5])
