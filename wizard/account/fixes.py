"""The commands that fix a finding.

Pure: reads the facts.
"""

import json
from collections.abc import Sequence

from components.settings import PROJECT, ImportGroup
from wizard.account.facts import StackFacts
from wizard.core import next_command
from wizard.core.models.delivery import StackState
from wizard.core.next_command import Command, chain, quote, shell
from wizard.data_key.guard import key_option

_PARTS = {
    "aws:kms/key:Key::phi-key": ImportGroup.KEY,
    "aws:iam/role:Role::app-principal": ImportGroup.APPLICATION_ROLE,
    "aws:iam/policy:Policy::app-access": ImportGroup.APPLICATION_POLICY,
}
"""The part of an import, by the ending of the URN of the resource whose properties no update changes."""

NAMED_AT_MOST = 12
"""The most resources that a command names; for more, the command is for the whole stack."""


def aws(facts: StackFacts, *words: object, region: str | None = None) -> Command:
    """`aws WORDS` in the stack's own Region or another; a word that is not a string becomes JSON."""
    place = ["--region", region or facts.settings.region]
    typed = (word if isinstance(word, str) else json.dumps(word) for word in words)
    return shell("aws", *typed, *place, *_as(facts))


def eonpro(facts: StackFacts, command: str, *words: str, action: str = "") -> Command:
    """This program's command, or an action of it, for this stack."""
    option = key_option(facts.settings) if command == "restore" else ()
    named = (command, action) if action else (command,)
    return next_command.eonpro(*named, *option, "--stack", facts.stack, *words, *_as(facts))


def push(facts: StackFacts, *words: str) -> Command:
    """The `push` that delivers the three variables again, and restarts the running instances if there are any."""
    return eonpro(facts, "push", *words, "--yes", redeploy_flag(facts))


def redeploy_flag(facts: StackFacts) -> str:
    """`--redeploy` if instances are known to run, which read variables when they start; else `--no-redeploy`."""
    return "--redeploy" if any(instances.deployment is not None for instances in facts.instances) else "--no-redeploy"


def pulumi_up(facts: StackFacts, *endings: str, is_missing: bool = False) -> Command:
    """`pulumi up --refresh` of the resources whose URN has one of these endings.

    The whole stack if none has, or more than NAMED_AT_MOST. An update leaves a part as an import found it: then `setup`
    with the repair of that part, unless the resource `is_missing` and is created.
    """
    kept = [part for ending in endings if (part := _PARTS.get(ending)) in facts.settings.kept_as_found and part]
    if kept and not is_missing:
        return eonpro(facts, "setup", "--repair", ",".join(kept), "--yes")
    state = facts.state
    resources = state.resources if isinstance(state, StackState) else ()
    return pulumi_up_urns(facts, [resource.urn for resource in resources if endings and resource.urn.endswith(endings)])


def pulumi_up_urns(facts: StackFacts, urns: Sequence[str]) -> Command:
    """`pulumi up --refresh` of these resources; of the whole stack for none or more than NAMED_AT_MOST."""
    if isinstance(facts.state, StackState) and not facts.state.has_key:
        # An update of a stack whose state is lost, or that was destroyed, would create everything a second time.
        return eonpro(facts, "setup", "--adopt", "--repair", "all", "--yes")
    is_imported = facts.settings.adopted and facts.outputs is not None
    # What is not a target keeps the inputs that its import recorded, which the guardrails take only from an import.
    targets = urns if len(urns) <= NAMED_AT_MOST and not is_imported else ()
    words = ["pulumi", "up", "--refresh", "--yes", "--skip-preview", "--stack", facts.stack]
    command = shell(*words, *(word for urn in targets for word in ("--target", urn)))
    if facts.aws.profile:
        command = Command(f"AWS_PROFILE={quote(facts.aws.profile)} ", command)
    if is_imported:
        # The import is complete. With its id in the settings, a resource that was deleted later is imported again.
        command = chain(shell("pulumi", "config", "rm", "--stack", facts.stack, f"{PROJECT}:adopted"), command)
    return command


def _as(facts: StackFacts) -> tuple[str, ...]:
    return ("--profile", facts.aws.profile) if facts.aws.profile else ()


def use_default_subject(repository: str) -> Command:
    """The command that gives the tokens of a repository OWNER/NAME GitHub's default subject."""
    path = f"repos/{repository}/actions/oidc/customization/sub"
    return shell("gh", "api", "--method", "PUT", path, "-F", "use_default=true")
