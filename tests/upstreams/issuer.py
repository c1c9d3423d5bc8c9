"""A small OpenID Connect issuer on a loopback port: metadata, rotating keys, tokens, introspection, outages.

    with Issuer(audience="http://127.0.0.1:8000/mcp") as issuer:
        token = issuer.mint(scope="dockerhub:read", sub="ada")
        issuer.rotate()
        issuer.outage = "drop"

Authorization code with PKCE and client credentials work as well (RFC 6749, 7636, 8707), so that a real client can log
in; nobody is asked anything. Alone, ``python -m tests.upstreams.issuer --audience URI`` prints ``{"url": …}``
and serves; then ``POST /admin/mint``, ``/admin/rotate``, ``/admin/outage`` and so on do what the
methods do (``Issuer._admin``).
"""

import argparse
import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from tests.upstreams.issuer_tokens import SigningKey, new_key, standard_claims

Outage = Literal["", "drop", "503", "hang", "garbage"]
Answer = tuple[int, Mapping[str, Any] | bytes, Mapping[str, str]]

RESOURCE_SERVER: Final = ("mcp-dockerhub", "introspection-secret/+ä")
"""Who may introspect: client identifier and secret."""
CLIENT: Final = ("probe", "client-secret")
CLIENT_ID: Final = CLIENT[0]


class Issuer:
    """``path`` makes an issuer with a path, as multi-tenant ones have; ``algorithm`` is its keys'."""

    def __init__(self, audience: str, *, path: str = "", algorithm: str = "ES256", port: int = 0) -> None:
        self.audience = audience
        self.algorithm = algorithm
        self.keys: list[SigningKey] = [new_key(algorithm)]
        self.outage: Outage = ""
        self.requests: list[tuple[str, str]] = []
        """Method and path of everything asked."""
        self.opaque: dict[str, dict[str, Any]] = {}
        """Opaque tokens and what is known of each."""
        self.metadata: dict[str, Any] = {}
        """Overwrites members of the metadata."""
        self.redirects: dict[str, str] = {}
        """Path to where it redirects."""
        self._codes: dict[str, dict[str, str]] = {}
        self._path = path
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The issuer identifier."""
        return f"{self.origin}{self._path}"

    @property
    def jwks_url(self) -> str:
        return f"{self.origin}/keys"

    @property
    def introspection_url(self) -> str:
        return f"{self.origin}/introspect"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def key(self) -> SigningKey:
        """The one that signs now."""
        return self.keys[-1]

    def rotate(self, *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; without ``keep`` the old ones are withdrawn."""
        self.keys = [*(self.keys if keep else []), new_key(self.algorithm)]
        return self.key

    def mint(self, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A signed token; ``claims`` overwrite the standard ones, ABSENT drops them."""
        return self.key.sign({**self.claims(), **claims}, headers)

    def mint_opaque(self, **claims: Any) -> str:
        """A token that only this issuer understands."""
        token = f"opaque_{secrets.token_urlsafe(24)}"
        self.opaque[token] = {"active": True, **self.claims(), **claims}
        return token

    def claims(self) -> dict[str, Any]:
        return standard_claims(self.url, self.audience)

    def count(self, path: str) -> int:
        """How often ``path`` was asked for."""
        return sum(asked == path for _, asked in self.requests)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What is sent for a request; outages are the caller's business."""
        parts = urlsplit(target)
        if parts.path.startswith("/admin/"):
            return self._admin(parts.path.removeprefix("/admin/"), json.loads(body or b"{}"))
        if parts.path in self.redirects:
            return 302, b"", {"location": self.redirects[parts.path]}
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        routes: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", f"/.well-known/oauth-authorization-server{self._path}"): self._metadata,
            ("GET", f"{self._path}/.well-known/openid-configuration"): self._metadata,
            ("GET", "/keys"): self._jwks,
            ("GET", "/authorize"): lambda: self._authorize(query),
            ("POST", "/token"): lambda: self._token(form, headers.get("authorization", "")),
            ("POST", "/introspect"): lambda: self._introspect(form, headers.get("authorization", "")),
        }
        route = routes.get((method, parts.path))
        return route() if route is not None else (404, {"error": "not_found"}, {})

    def _metadata(self) -> Answer:
        return (
            200,
            {
                "issuer": self.url,
                "jwks_uri": self.jwks_url,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "introspection_endpoint": self.introspection_url,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
                **self.metadata,
            },
            {},
        )

    def _jwks(self) -> Answer:
        return 200, {"keys": [key.public_jwk() for key in self.keys]}, {}

    def _introspect(self, form: Mapping[str, str], authorization: str) -> Answer:
        if _basic(authorization) != RESOURCE_SERVER:
            return 401, {"error": "invalid_client"}, {}
        return 200, self.opaque.get(form.get("token", ""), {"active": False}), {}

    def _authorize(self, query: Mapping[str, str]) -> Answer:
        """Nobody is asked: the code is sent back at once."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(query)
        back = urlencode({"code": code, "state": query.get("state", ""), "iss": self.url})
        return 302, b"", {"location": f"{query['redirect_uri']}?{back}"}

    def _token(self, form: Mapping[str, str], authorization: str) -> Answer:
        resource = form.get("resource", "")
        if form.get("grant_type") == "client_credentials":
            if _basic(authorization) != CLIENT:
                return 401, {"error": "invalid_client"}, {}
            return self._grant(form.get("scope", ""), resource)
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked.get("code_challenge") != challenge or asked.get("resource", "") != resource:
            return 400, {"error": "invalid_grant"}, {}
        return self._grant(asked.get("scope", ""), resource)

    def _grant(self, scope: str, resource: str) -> Answer:
        if not resource:
            return 400, {"error": "invalid_target"}, {}
        token = self.mint(scope=scope, aud=resource, auth_time=int(time.time()))
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": scope}, {}

    def _admin(self, action: str, arguments: dict[str, Any]) -> Answer:
        done: dict[str, Callable[[], Any]] = {
            "mint": lambda: self.mint(arguments.get("headers"), **arguments.get("claims", {})),
            "mint_opaque": lambda: self.mint_opaque(**arguments.get("claims", {})),
            "rotate": lambda: self.rotate(keep=arguments.get("keep", True)).key_id,
            "deactivate": lambda: self.opaque.pop(arguments["token"], None) is not None,
            "outage": lambda: setattr(self, "outage", arguments.get("mode", "")),
            "requests": lambda: self.requests,
        }
        return 200, {"result": done[action]()}, {}

    def wait_for_the_end(self) -> None:
        """Hang until the issuer stops."""
        self._released.wait(30)


def _basic(authorization: str) -> tuple[str, str]:
    """Client identifier and secret, form-decoded (RFC 6749, section 2.3.1)."""
    with suppress(ValueError):
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        return unquote_plus(name), unquote_plus(secret)
    return "", ""


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            path = urlsplit(self.path).path
            administered = path.startswith("/admin/")
            if not administered:
                issuer.requests.append((self.command, path))
                if issuer.outage in ("drop", "hang"):
                    if issuer.outage == "hang":
                        issuer.wait_for_the_end()
                    self.close_connection = True
                    return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document, more = issuer.answer(self.command, self.path, headers, body)
            if issuer.outage and not administered:
                status, document = (503, {}) if issuer.outage == "503" else (200, b"<html>maintenance</html>")
            self._reply(status, document, more)

        do_GET = do_POST = _serve  # noqa: N815  (names that http.server looks for)

        def _reply(self, status: int, document: Mapping[str, Any] | bytes, headers: Mapping[str, str]) -> None:
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A small OpenID Connect issuer on loopback.")
    parser.add_argument("--audience", required=True, help="what tokens name unless asked otherwise")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--algorithm", default="ES256")
    options = parser.parse_args(arguments)
    with Issuer(options.audience, algorithm=options.algorithm, port=options.port) as issuer:
        print(json.dumps({"url": issuer.url}), flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
