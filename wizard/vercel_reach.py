"""What a token reaches, told as errors: which token it is, which team it is for, and what to do about it.

Touches the network through `wizard/vercel_http.py` only; reads.
"""

from __future__ import annotations

from wizard.errors import CredentialsError, PermissionDenied, SetupError
from wizard.vercel_http import NEW_TOKEN, Answer, Api
from wizard.vercel_listing import Team, list_teams

_BARRED = {
    "scope": "the token's scope leaves that team out",
    "saml": "that team lets in whoever signed in by its identity provider (SAML), and the token did not",
    "mfa": "that team demands a second factor, and the token's person has none set up",
    "invalidated": "that team has invalidated the token",
}
_WAYS = {
    "saml": "sign in to the team at https://vercel.com, then: vercel login   # or: " + NEW_TOKEN,
    "mfa": "set up a second factor at https://vercel.com/account/settings/authentication, then: " + NEW_TOKEN,
}


def out_of_reach(api: Api, team: str, refused: Answer) -> SetupError:
    """Why the token may not act for a team: its scope, the team's rules, or no membership at all."""
    try:
        teams = list_teams(api)
    except PermissionDenied:
        either = f"Vercel does not accept the token, or it has no access to the team {team}"
        return CredentialsError(f"{either} ({refused.words})", NEW_TOKEN)
    except SetupError as error:
        return error
    named = next((each for each in teams if team in (each.id, each.slug)), None)
    if named is not None and named.barred_by:
        return _barred(named, team, refused)
    if named is not None:
        return PermissionDenied(
            f"the Vercel token belongs to a member of the team {team}, who may not see its projects ({refused.words})",
            f"let an owner of the team give the member a role with access to the project, or: {NEW_TOKEN}",
        )
    within = [each.slug or each.id for each in teams if not each.barred_by]
    reach = f"; it reaches {', '.join(within)}" if within else "; it reaches no team"
    return PermissionDenied(f"the Vercel token has no access to the team {team}{reach} ({refused.words})", NEW_TOKEN)


def _barred(named: Team, team: str, refused: Answer) -> SetupError:
    reason = next((each for each in named.barred_by if each in _BARRED), "scope")
    told = team if named.slug in (None, team) else f"{named.slug} ({team})"
    return PermissionDenied(
        f"the Vercel token has no access to the team {told}: {_BARRED[reason]} ({refused.words})",
        _WAYS.get(reason, NEW_TOKEN),
    )
