"""The access key of an application that is an IAM user: whether the one that Vercel has still is one, and works.

Pure: reads through the evidence; an id is no secret, and the secret is not read.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.contract import Target
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts import VercelProject


def the_access_key_on_vercel(evidence: Evidence) -> Iterator[Told]:
    """Whether the user still has the access key that production signs with."""
    settings, hosting, project = evidence.settings, evidence.found.hosting, evidence.found.project
    is_user = settings.makes_user and Target.VERCEL in settings.deploy_targets
    if not is_user or hosting is None or not isinstance(project, VercelProject):
        return
    user = settings.names.app_user
    keys = evidence.once("access keys", lambda: evidence.cloud.list_access_keys(user))
    pushed = evidence.once("access key on Vercel", lambda: hosting.access_key_id(project))
    for what, told in ((f"the access keys of {user}", keys), ("the access key on Vercel", pushed)):
        if isinstance(told, SetupError):
            yield Unlooked.of(what, told)
    if isinstance(keys, SetupError) or isinstance(pushed, SetupError):
        return
    mine = next((key for key in keys if key.id == pushed), None)
    if pushed is None:
        yield Finding(
            cause="access-key-missing",
            what=f"production on Vercel has no access key of {user}",
            why="the application has no credentials: it says that it could not load them from any provider",
            command=remedies.push(evidence),
        )
    elif mine is None:
        yield Finding(
            cause="access-key-gone",
            what=f"production on Vercel has the access key {pushed}, and {user} has none of that id",
            why="AWS answers UnrecognizedClientException or InvalidClientTokenId: it was deleted, or is another user's",
            command=remedies.wizard(evidence, "access-key rotate"),
            then="deploy anew: python -m wizard push --redeploy --yes",
        )
    elif not mine.active:
        given = ("--user-name", user, "--access-key-id", mine.id, "--status", "Active")
        yield Finding(
            cause="access-key-inactive",
            what=f"the access key {mine.id} of {user}, which production on Vercel has, is switched off",
            why="AWS answers UnrecognizedClientException or InvalidClientTokenId to whoever signs with it",
            command=remedies.aws(evidence, "iam", "update-access-key", *given),
            then="start the application anew: it remembers a load of its key that failed",
        )
    else:
        yield Well(what=f"the access key {mine.id}, which production on Vercel has, is {user}'s and switched on")
