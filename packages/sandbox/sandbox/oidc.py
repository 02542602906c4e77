"""The OIDC token that Vercel gives a deployment.

Touches nothing: it creates and reads tokens. The sandbox does not verify their signature (it has no issuer
to get keys from); issuer, audience, subject and expiry are checked as AWS STS does.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

LIFETIME_SECONDS = 10 * 365 * 24 * 3600


def deployment_token(*, team: str, project: str, environment: str = "production") -> str:
    """The token of a deployment to that environment of a Vercel project (https://vercel.com/docs/oidc/reference)."""
    now = int(time.time())
    return encode(
        {
            "iss": f"https://oidc.vercel.com/{team}",
            "aud": f"https://vercel.com/{team}",
            "sub": f"owner:{team}:project:{project}:environment:{environment}",
            "owner": team,
            "project": project,
            "environment": environment,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
        }
    )


def encode(claims: dict[str, Any]) -> str:
    """A JSON Web Token with these claims, signed with a random key."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(secrets.token_bytes(32), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def decode(token: str) -> dict[str, Any]:
    """The claims of a token. Raises ValueError for an invalid one."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("a JSON Web Token has three parts")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("the claims of a JSON Web Token are an object")
    return claims


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
