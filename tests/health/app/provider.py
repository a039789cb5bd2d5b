"""An OpenID Connect provider of the tests' own, in a process of its own.

    python -m tests.health.app.provider PORT

It signs in whoever comes, as the person that `PUT /control` names, and makes the mistakes that the
same request asks for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests
import uvicorn
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "health-app", "s3cret-of-the-client"


class Provider:
    """The provider: its keys, the codes that it has given, and what it does wrong."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.control_is: dict[str, Any] = {}

    def app(self) -> Starlette:
        """Return the provider as an application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
                Route("/control", self.control, methods=["PUT"]),
            ]
        )

    async def control(self, request: Request) -> Response:
        """Take who signs in next, and how."""
        self.control_is = await request.json()
        if self.fault == "new key":
            self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})
        return Response(status_code=204)

    @property
    def fault(self) -> str:
        return str(self.control_is.get("fault", ""))

    async def metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": "https://other.example" if self.fault == "metadata" else self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                "token_endpoint_auth_methods_supported": self.control_is.get(
                    "methods", ["client_secret_basic"]
                ),
            }
        )

    async def keys(self, _: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        asked = request.query_params
        good = (
            asked["client_id"] == CLIENT
            and asked["response_type"] == "code"
            and asked["code_challenge_method"] == "S256"
            and "openid" in asked["scope"].split()
        )
        if not good:
            return Response(status_code=400)
        if self.fault == "denied":
            return self._back(asked["redirect_uri"], error="access_denied", state=asked["state"])
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(asked)
        extra = {"iss": "https://other.example"} if self.fault == "mixed up" else {}
        return self._back(asked["redirect_uri"], code=code, state=asked["state"], **extra)

    def _back(self, address: str, **query: str) -> Response:
        return RedirectResponse(f"{address}?{urlencode(query)}", status_code=303)

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        by_header = request.headers.get("authorization") == f"Basic {basic}"
        by_body = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        if not (by_body if self.control_is.get("methods") else by_header):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        access = secrets.token_urlsafe(16)
        self.tokens[access] = self.control_is
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        if self.fault != "no id token":
            answer["id_token"] = self._id_token(asked["nonce"], access)
        return JSONResponse(answer)

    def _id_token(self, nonce: str, access: str) -> str:
        now, fault = int(self.control_is["now"]), self.fault
        claims: dict[str, Any] = {
            "iss": "https://other.example" if fault == "issuer" else self.issuer,
            "aud": "another-app" if fault == "audience" else CLIENT,
            "iat": now,
            "exp": now - 3600 if fault == "expired" else now + 300,
            "nonce": "another" if fault == "nonce" else nonce,
            "at_hash": create_half_hash("x" if fault == "hash" else access, "RS256").decode(),
            **self.control_is["claims"],
        }
        if fault == "no nonce":
            del claims["nonce"]
        if fault == "two audiences":
            claims["aud"], claims["azp"] = [CLIENT, "another-app"], "another-app"
        if fault == "none":
            parts = [{"alg": "none"}, claims]
            return ".".join(_part(part) for part in parts) + "."
        if fault == "by the public key":
            text = ".".join(_part(part) for part in ({"alg": "HS256"}, claims))
            made = hmac.digest(self.key.as_pem(private=False), text.encode(), "sha256")
            return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
        key = RSAKey.generate_key(2048, {"kid": "first"}) if fault == "signature" else self.key
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, key)

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self.tokens.get(token)
        if known is None:
            return Response(status_code=401)
        sub = "somebody else" if self.fault == "userinfo" else known["claims"]["sub"]
        return JSONResponse({**known.get("userinfo", {}), "sub": sub})


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextmanager
def running_provider() -> Iterator[str]:
    """Run the provider in a process of its own; yields its issuer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.health.app.provider", str(port)],
        cwd=Path(__file__).parents[3],
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                requests.get(f"{issuer}/keys", timeout=1).close()
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        yield issuer
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    number = int(sys.argv[1])
    uvicorn.run(
        Provider(f"http://127.0.0.1:{number}").app(),
        host="127.0.0.1",
        port=number,
        log_level="warning",
    )
