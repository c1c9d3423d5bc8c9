"""A token service for a real registry: JSON Web Tokens signed with a key made on the spot.

As Docker's token specification has it; anonymous callers may pull what is not ``private``.
"""

import base64
import datetime
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.upstreams.registry_auth import basic_user

LIFETIME = 300
SERVICE = "registry.test"
ISSUER = "issuer.test"


@dataclass
class TokenServer:
    """Serves ``GET /token`` on loopback; ``requests`` are the scopes asked for, with the user or None."""

    users: Mapping[str, str]
    private: frozenset[str] = frozenset()
    requests: list[tuple[str | None, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _self_signed(self._key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def realm(self) -> str:
        return f"{self.origin}/token"

    @property
    def certificate_pem(self) -> bytes:
        """What the registry must trust (``rootcertbundle``)."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, access: list[dict[str, Any]], subject: str = "") -> str:
        """A signed token for ``access``."""
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "exp": now + LIFETIME,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        return jwt.encode(claims, self._key, "ES256", headers={"x5c": [base64.b64encode(der).decode()]})

    def answer(self, query: str, authorization: str) -> tuple[int, dict[str, Any]]:
        user = basic_user(authorization, dict(self.users))
        if authorization and user is None:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
        scopes = parse_qs(query).get("scope", [])
        self.requests.append((user, " ".join(scopes)))
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            allowed = [a for a in actions.split(",") if user or (a == "pull" and name not in self.private)]
            access.append({"type": kind, "name": name, "actions": allowed})
        return 200, {"token": self.token(access, user or ""), "expires_in": LIFETIME}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                status, document = service.answer(parts.query, self.headers.get("authorization", ""))
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256())
