"""The commands that fix a finding, as text for a shell.

Pure: reads the facts.
"""

import json
from collections.abc import Sequence

from components.settings import PROJECT, ImportGroup
from wizard.account.facts import StackFacts
from wizard.core.models.delivery import StackState
from wizard.core.next_command import Command, quote, shell
from wizard.data_key.guard import key_option

_PARTS = {
    "aws:kms/key:Key::phi-key": ImportGroup.KEY,
    "aws:iam/role:Role::app-principal": ImportGroup.APPLICATION_ROLE,
    "aws:iam/policy:Policy::app-access": ImportGroup.APPLICATION_POLICY,
}
"""The part of an import, by the ending of the URN of the resource whose properties no update changes."""

NAMED_AT_MOST = 12
"""The most resources that a command names; for more, the command is for the whole stack."""


def aws(facts: StackFacts, *words: object, region: str | None = None) -> str:
    """`aws WORDS` in the stack's own Region or another; a word that is not a string becomes JSON."""
    place = ["--region", region or facts.settings.region]
    return typed("aws", *words, *place, *(["--profile", _profile(facts)] if _profile(facts) else []))


def wizard(facts: StackFacts, command: str, *words: str) -> str:
    """`python -m wizard COMMAND`, for this stack."""
    profile = ["--profile", _profile(facts)] if _profile(facts) else []
    option = key_option(facts.settings) if command == "restore" else ()
    return typed("python", "-m", "wizard", *command.split(), *option, "--stack", facts.stack, *words, *profile)


def push(facts: StackFacts, *words: str) -> str:
    """The `push` that delivers the three variables again, and restarts the running instances if there are any."""
    return wizard(facts, "push", *words, "--yes", redeploy_flag(facts))


def redeploy_flag(facts: StackFacts) -> str:
    """`--redeploy` if instances are known to run, which read variables when they start; else `--no-redeploy`."""
    return "--redeploy" if any(instances.deployment is not None for instances in facts.instances) else "--no-redeploy"


def pulumi_up(facts: StackFacts, *endings: str, is_missing: bool = False) -> str:
    """`pulumi up --refresh` of the resources whose URN has one of these endings.

    The whole stack if none has, or more than NAMED_AT_MOST. An update leaves a part as an import found it: then `setup`
    with the repair of that part, unless the resource `is_missing` and is created.
    """
    kept = [part for ending in endings if (part := _PARTS.get(ending)) in facts.settings.kept_as_found and part]
    if kept and not is_missing:
        return wizard(facts, "setup", "--repair", ",".join(kept), "--yes")
    state = facts.state
    resources = state.resources if isinstance(state, StackState) else ()
    return pulumi_up_urns(facts, [resource.urn for resource in resources if endings and resource.urn.endswith(endings)])


def pulumi_up_urns(facts: StackFacts, urns: Sequence[str]) -> str:
    """`pulumi up --refresh` of these resources; of the whole stack for none or more than NAMED_AT_MOST."""
    if isinstance(facts.state, StackState) and not facts.state.has_key:
        # An update of a stack whose state is lost, or that was destroyed, would create everything a second time.
        return wizard(facts, "setup", "--adopt", "--repair", "all", "--yes")
    targets = urns if len(urns) <= NAMED_AT_MOST else ()
    words = ["pulumi", "up", "--refresh", "--yes", "--skip-preview", "--stack", facts.stack]
    command = typed(*words, *(word for urn in targets for word in ("--target", urn)))
    if _profile(facts):
        command = f"AWS_PROFILE={quote(_profile(facts))} {command}"
    if facts.settings.adopted and facts.outputs is not None:
        # The import is complete. With its id in the settings, a resource that was deleted later is imported again.
        command = f"{typed('pulumi', 'config', 'rm', '--stack', facts.stack, f'{PROJECT}:adopted')} && {command}"
    return command


def _profile(facts: StackFacts) -> str:
    return facts.aws.profile or ""


def typed(*words: object) -> str:
    """The words, each quoted for a shell; one that is not a string becomes JSON."""
    return " ".join(quote(word if isinstance(word, str) else json.dumps(word)) for word in words)


def use_default_subject(repository: str) -> Command:
    """The command that gives the tokens of a repository OWNER/NAME GitHub's default subject."""
    path = f"repos/{repository}/actions/oidc/customization/sub"
    return shell("gh", "api", "--method", "PUT", path, "-F", "use_default=true")
