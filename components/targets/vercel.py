"""Vercel: its settings, the trust in its tokens, and the IAM user that the application can be there.

Pure.
"""

from __future__ import annotations

from components.policies.documents import Statement, allow
from components.settings import Settings, Target, VercelIssuerMode
from components.settings.arn import Arn
from components.targets.platform import Platform


class Vercel(Platform):
    """Functions on Vercel, which stores the variables itself."""

    name = Target.VERCEL

    def trust(self, settings: Settings) -> list[Statement]:
        """The environments of the project, with the token that Vercel gives its functions; none for an IAM user.

        A custom environment has its slug in the subject, as `VERCEL_TARGET_ENV` has it. Audience and subject are both
        compared in full. The condition keys begin with the issuer, which is the name of the provider: with Vercel's
        team issuer `oidc.vercel.com/<team>`, with its global one `oidc.vercel.com`. https://vercel.com/docs/oidc/aws
        """
        provider, team = provider_arn_of(settings), settings.vercel_team
        if settings.makes_user or not (provider and team):
            return []
        environments = (settings.vercel_environment, *settings.vercel_environments)
        subjects = [f"owner:{team}:project:{settings.vercel_project}:environment:{each}" for each in environments]
        issuer = Arn.parse(provider).path
        return [
            allow(
                "TrustVercel",
                "sts:AssumeRoleWithWebIdentity",
                principal={"Federated": provider},
                condition={
                    "StringEquals": {
                        f"{issuer}:aud": vercel_audience(team=team),
                        f"{issuer}:sub": subjects[0] if len(subjects) == 1 else subjects,
                    }
                },
            )
        ]


def provider_arn_of(settings: Settings) -> str | None:
    """The OIDC provider of the settings' Vercel team: an existing one, or the stack's; None without a team."""
    if settings.vercel_team is None:
        return None
    is_global = settings.vercel_issuer_mode is VercelIssuerMode.GLOBAL
    issuer = vercel_issuer(team=settings.vercel_team, is_global=is_global)
    return settings.vercel_oidc_provider_arn or settings.arn("iam", f"oidc-provider/{issuer}")


def issuer_of(settings: Settings) -> str | None:
    """The issuer whose tokens the application's role trusts, its URL without the scheme; None without a team."""
    arn = provider_arn_of(settings)
    return Arn.parse(arn).path if arn else None


def vercel_issuer(*, team: str, is_global: bool = False) -> str:
    """Host and path of the OIDC issuer of the team's tokens; its URL without the scheme."""
    return "oidc.vercel.com" if is_global else f"oidc.vercel.com/{team}"


def vercel_audience(*, team: str) -> str:
    """The audience of the tokens that Vercel gives to the team's functions."""
    return f"https://vercel.com/{team}"


TARGET = Vercel()
