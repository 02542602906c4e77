"""The OIDC token of a deployment on Vercel, with which AWS lets it assume its role.

Touches the environment, and the package `vercel-oidc` where the service has installed it: on Vercel a running function
gets its token with each request, and that package knows it. https://vercel.com/docs/oidc/reference
"""

import importlib
import os

TOKEN = "VERCEL_OIDC_TOKEN"
ROLE_ARN = "AWS_ROLE_ARN"
_OTHERS = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
"""With one of these the person has chosen other credentials."""


def role_arn() -> str | None:
    """The role to assume with the token, `AWS_ROLE_ARN`; None where there is none, or other credentials are chosen."""
    chosen = any(os.environ.get(name) for name in _OTHERS)
    return None if chosen else os.environ.get(ROLE_ARN) or None


def oidc_token() -> str | None:
    """The token of the environment (builds, `vercel env pull`), else that of `vercel-oidc`; None where neither has one.

    Not to be kept: Vercel replaces it.
    """
    if token := os.environ.get(TOKEN):
        return token
    try:
        package = importlib.import_module("vercel.oidc")
    except ImportError:
        return None
    try:
        # This one neither asks Vercel's API nor starts a command line.
        token = package.get_vercel_oidc_token_sync()
    except package.VercelOidcTokenError:
        return None
    return token or None
