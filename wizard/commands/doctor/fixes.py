"""The commands that mend: of the AWS CLI, of Pulumi, of the wizard; every value filled in, quoted for a POSIX shell.

Pure. What one call of AWS puts back exactly is that call: it does nothing else, and needs neither state nor backend.
What takes a document or several calls is put back by the stack, and of the stack only the resources that are named.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from wizard.commands.doctor.context import CheckContext
from wizard.core.models.delivery import StackState

NAMED_AT_MOST = 12
"""Resources that a command names one by one; more are the whole stack."""


def aws(evidence: CheckContext, *words: object, region: str | None = None) -> str:
    """`aws WORDS` in the stack's own Region or another; a word that is no text is given as JSON."""
    place = ["--region", region or evidence.settings.region]
    return _typed("aws", *words, *place, *(["--profile", _profile(evidence)] if _profile(evidence) else []))


def wizard(evidence: CheckContext, command: str, *words: str) -> str:
    """`python -m wizard COMMAND`, for this stack."""
    profile = ["--profile", _profile(evidence)] if _profile(evidence) else []
    return _typed("python", "-m", "wizard", *command.split(), "--stack", evidence.stack, *words, *profile)


def push(evidence: CheckContext, *words: str) -> str:
    """The escrowed data key with its two companions, again, and what runs started anew, where something does."""
    return wizard(evidence, "push", *words, "--yes", anew(evidence))


def anew(evidence: CheckContext) -> str:
    """The flag that starts anew what runs: variables are read when it starts. Nothing that is not known is touched."""
    return "--redeploy" if any(each.deployment is not None for each in evidence.instances) else "--no-redeploy"


def by_the_stack(evidence: CheckContext, *endings: str) -> str:
    """`pulumi up` that reads the account anew and puts back the resources whose URN ends so.

    The whole stack, where it names none of them or more than a command may hold.
    """
    state = evidence.state
    resources = state.resources if isinstance(state, StackState) else ()
    return by_urn(evidence, [each.urn for each in resources if endings and each.urn.endswith(endings)])


def by_urn(evidence: CheckContext, urns: Sequence[str]) -> str:
    """`pulumi up` that reads the account anew and changes these resources; all, where these are none or many."""
    targets = urns if len(urns) <= NAMED_AT_MOST else ()
    words = ["pulumi", "up", "--refresh", "--yes", "--skip-preview", "--stack", evidence.stack]
    typed = _typed(*words, *(word for urn in targets for word in ("--target", urn)))
    return f"AWS_PROFILE={shlex.quote(_profile(evidence))} {typed}" if _profile(evidence) else typed


def _profile(evidence: CheckContext) -> str:
    return evidence.aws.profile or ""


def _typed(*words: object) -> str:
    return shlex.join(word if isinstance(word, str) else json.dumps(word) for word in words)
