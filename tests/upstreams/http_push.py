"""Seeding any registry over HTTP, as a client that pushes does (OCI distribution-spec, "Push")."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from tests.upstreams.content import Seeder, digest_of

TIMEOUT = 20.0


class PushingSeeder(Seeder):
    """Pushes to ``url``; ``authorize`` gives the Authorization header for a repository, empty for none."""

    def __init__(self, url: str, authorize: Callable[[str], str] = lambda _: "") -> None:
        self.url = url
        self._authorize = authorize

    def put_blob(self, repository: str, data: bytes) -> str:
        digest = digest_of(data)
        headers = self._send(repository, "POST", f"{self.url}/v2/{repository}/blobs/uploads/", b"", "")
        location = urllib.parse.urljoin(self.url, headers["Location"])
        joint = "&" if "?" in location else "?"
        target = f"{location}{joint}{urllib.parse.urlencode({'digest': digest})}"
        self._send(repository, "PUT", target, data, "application/octet-stream")
        return digest

    def put_manifest(self, repository: str, reference: str, raw: bytes, media_type: str) -> str:
        self._send(repository, "PUT", f"{self.url}/v2/{repository}/manifests/{reference}", raw, media_type)
        return digest_of(raw)

    def _send(self, repository: str, method: str, url: str, data: bytes, content_type: str) -> dict[str, str]:
        request = urllib.request.Request(url, data=data, method=method)
        if content_type:
            request.add_header("Content-Type", content_type)
        if header := self._authorize(repository):
            request.add_header("Authorization", header)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {url}: {error.code} {error.read(500)!r}") from error
