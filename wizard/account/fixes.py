"""The commands that fix a finding.

Reads the facts, and whether the file of a backup is on this machine.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path

from components.settings import PROJECT, ImportGroup, SecretStore
from wizard.account.facts import StackFacts
from wizard.core import next_command
from wizard.core.data_key import input_variable
from wizard.core.models.rotation import S3, LastBackup, file_name_of
from wizard.core.models.stack import StackState
from wizard.core.next_command import NO_COMMAND, Command, chain, quote, shell
from wizard.core.safe_text import quoted
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


def from_backup(facts: StackFacts, fingerprint: str | None) -> tuple[Command, str]:
    """The command that restores the last backup of that data key, and an advice; both empty without a backup."""
    last, settings = facts.last_backup, facts.settings
    if (
        fingerprint is not None
        and (file := Path(file_name_of(settings.application, settings.environment, fingerprint)).resolve()).is_file()
    ):
        return eonpro(facts, "restore", "--from-backup", str(file), "--confirm", facts.stack), ""
    if not isinstance(last, LastBackup) or fingerprint not in (None, last.fingerprint):
        return NO_COMMAND, ""
    where, _, name = last.place.partition(":")
    if not name.startswith(settings.names.parameter_prefix):
        return from_place(facts, last, "--confirm", facts.stack)
    secret = ("secretsmanager", "get-secret-value", "--secret-id", name, "--query", "SecretString")
    parameter = ("ssm", "get-parameter", "--name", name, "--with-decryption", "--query", "Parameter.Value")
    words = secret if settings.secret_store is SecretStore.SECRETS_MANAGER else parameter
    read = aws(facts, *words, "--output", "text", region=where)
    from_target = eonpro(facts, "restore", "--from-target", "--confirm", facts.stack)
    variable = input_variable(settings.names.variable)
    return Command(f'{variable}="$(', read, ')" ', from_target), f"the backup of {last.at:%Y-%m-%d}"


def from_place(facts: StackFacts, last: LastBackup, *words: str) -> tuple[Command, str]:
    """The command that restores the backup, and an advice; no command where its file is on another machine."""
    made, (where, _, name) = f"the backup of {last.at:%Y-%m-%d}", last.place.partition(":")
    if last.place.startswith(S3) or (where == platform.node() and Path(name).is_file()):
        place = last.place if last.place.startswith(S3) else name
        return eonpro(facts, "restore", "--from-backup", place, *words), made
    return NO_COMMAND, f"{made} is the file {quoted(name)} of the machine {quoted(where)}: copy it here, and restore it"
