"""Signing in with Hugging Face on 127.0.0.1: an OpenID provider whose tokens a loopback Hub takes.

    with LoopbackHub(users={}) as hub, OpenIdProvider(hub) as provider:
        ...  # OPENID_PROVIDER_URL=provider.url, OAUTH_CLIENT_ID=CLIENT_ID, ...

It has discovery, a page that asks for consent, codes that count once and need PKCE, tokens signed
by RS256, and userinfo. `provider.user` is who is signed in there.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.hub.loopback import LoopbackHub

CLIENT_ID, CLIENT_SECRET = "lab", "lab-secret"
CONSENT = """<!doctype html><title>Consent</title><h1>Let the lab use your account, {user}?</h1>
<form method="post" action="/oauth/authorize?{query}">
<button name="answer" value="allow">Allow</button>
<button name="answer" value="refuse">Refuse</button></form>"""


class OpenIdProvider:
    """The provider; it enters each access token that it gives into the Hub's users."""

    def __init__(self, hub: LoopbackHub, user: str = "alice") -> None:
        self.hub, self.user = hub, user
        self.key = RSAKey.generate_key(2048, {"kid": "only"})
        self.codes: dict[str, dict[str, str]] = {}  # what each was asked with; a code counts once
        self.tokens: list[str] = []
        handler = type("BoundProvider", (ProviderHandler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def expire_tokens(self) -> None:
        """Let no token count any more."""
        for token in self.tokens:
            self.hub.users.pop(token, None)

    def describe(self) -> dict[str, Any]:
        """Return the discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "userinfo_endpoint": f"{self.url}/oauth/userinfo",
            "jwks_uri": f"{self.url}/oauth/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def answer_consent(self, asked: dict[str, str], answer: str) -> str:
        """Return the address to go back to, with a code or a refusal."""
        found = {"state": asked["state"]}
        if answer == "allow":
            found["code"] = secrets.token_urlsafe(16)
            self.codes[found["code"]] = asked
        else:
            found["error"] = "access_denied"
        return f"{asked['redirect_uri']}?{urlencode(found)}"

    def give_token(self, sent: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return the tokens for a code; None where anything about the request is wrong."""
        asked = self.codes.pop(sent.get("code", ""), None)
        client = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {client}":
            return None
        verifier = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        is_same = sent.get("redirect_uri") == asked["redirect_uri"]
        if challenge != asked.get("code_challenge") or not is_same:
            return None
        token, now = f"hf_oauth_{secrets.token_hex(16)}", int(time.time())
        self.tokens.append(token)
        self.hub.users[token] = self.user
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 600}
        claims |= {"nonce": asked["nonce"], **self.claim_user()}
        signed = jwt.encode({"alg": "RS256", "kid": "only"}, claims, self.key)
        return {"access_token": token, "id_token": signed, "token_type": "bearer"}

    def claim_user(self) -> dict[str, str]:
        """Return what is told about the user."""
        return {"sub": f"id-of-{self.user}", "preferred_username": self.user}


class ProviderHandler(BaseHTTPRequestHandler):
    """Answers the endpoints of the discovery document."""

    provider: OpenIdProvider

    def do_GET(self) -> None:
        url, provider = urlsplit(self.path), self.provider
        if url.path == "/.well-known/openid-configuration":
            self.send_json(provider.describe())
        elif url.path == "/oauth/jwks":
            self.send_json({"keys": [provider.key.as_dict(private=False)]})
        elif url.path == "/oauth/userinfo":
            self.send_json(provider.claim_user())
        elif url.path == "/oauth/authorize":
            asked = read_form(url.query)
            is_sound = asked["client_id"] == CLIENT_ID and asked["response_type"] == "code"
            page = CONSENT.format(user=provider.user, query=html.escape(url.query))
            self.send(page.encode() if is_sound else b"Malformed", "text/html")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        url, length = urlsplit(self.path), int(self.headers.get("Content-Length") or 0)
        form = read_form(self.rfile.read(length).decode())
        if url.path == "/oauth/authorize":
            self.send_response(303)
            target = self.provider.answer_consent(read_form(url.query), form["answer"])
            self.send_header("Location", target)
            self.end_headers()
            return
        tokens = self.provider.give_token(form, self.headers.get("Authorization", ""))
        self.send_json(tokens or {"error": "invalid_grant"}, 200 if tokens else 400)

    def send_json(self, value: object, status: int = 200) -> None:
        self.send(json.dumps(value).encode(), "application/json", status)

    def send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def read_form(text: str) -> dict[str, str]:
    """Return the first value of each field of a query or a form."""
    return {name: values[0] for name, values in parse_qs(text).items()}


def write_certificate(folder: Path) -> dict[str, str]:
    """Write a certificate that nobody has signed; returns the settings of a server that uses it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return {
        "STREAMLIT_SERVER_SSL_CERT_FILE": str(folder / "certificate.pem"),
        "STREAMLIT_SERVER_SSL_KEY_FILE": str(folder / "key.pem"),
    }
