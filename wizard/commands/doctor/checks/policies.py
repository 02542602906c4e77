"""Whether the key's own policy lets the application in, as the settings mean it to.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.stack import key_policy_of
from components.settings import ImportGroup, ResourceKind
from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.principal import KEY, REFUSED, RESTART
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.finding import Finding, NotChecked, Passed, Skipped, Told
from wizard.core.errors import SetupError
from wizard.core.key_access import administrators_of, documents_of
from wizard.core.models.account import Difference, DiscoveredResource, DiscoveredSetup, KeyFact
from wizard.data_key.storage import region_of
from wizard.setup.importing.differences import differences_of

_WEIGHT = {
    KeyPolicyDecision.DENIED: 0,
    KeyPolicyDecision.NONE: 1,
    KeyPolicyDecision.THROUGH_IAM: 2,
    KeyPolicyDecision.NAMED: 3,
}


def the_key_policy_and_the_application(evidence: CheckContext) -> Iterator[Told]:
    """Whether the key's policy gives the application what the settings mean it to have."""
    if not isinstance(evidence.key, KeyFact):
        return
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return  # Told by the check of the key's policy.
    wanted: Mapping[str, Any] = key_policy_of(evidence.settings, evidence.principals)
    for arn in evidence.principals:
        yield _granted(evidence, arn, policy, wanted)


def _granted(evidence: CheckContext, arn: str, policy: Mapping[str, Any], wanted: Mapping[str, Any]) -> Told:
    actions = policies.APPLICATION_ACTIONS
    found = {action: decide_by_key_policy(policy, arn, action) for action in actions}
    denied = [action for action, grant in found.items() if grant is KeyPolicyDecision.DENIED]
    if denied:
        return Finding(
            cause="key-policy-denies",
            what=f"the key's policy denies {arn} {', '.join(denied)}",
            why=f"{REFUSED}, “with an explicit deny in a resource-based policy”, whatever IAM allows",
            command=fixes.by_the_stack(evidence, KEY),
            then=RESTART,
        )
    less = [action for action in actions if _WEIGHT[found[action]] < _WEIGHT[decide_by_key_policy(wanted, arn, action)]]
    # Left as it was found on purpose: then it is enough that IAM has the say.
    is_kept = ImportGroup.KEY in evidence.settings.kept_as_found
    if not less or (is_kept and all(grant is KeyPolicyDecision.THROUGH_IAM for grant in found.values())):
        return Passed(what=f"the key's policy lets {arn} use the key")
    through_iam = all(found[action] is KeyPolicyDecision.THROUGH_IAM for action in less)
    return Finding(
        cause="key-policy-without-application",
        what=f"the key's policy no longer lets {arn} do {', '.join(less)}",
        why="now only IAM's policies let it in; one change there, and KMS answers AccessDeniedException"
        if through_iam
        else f"{REFUSED}, “because no resource-based policy allows” it, whatever IAM allows",
        command=fixes.by_the_stack(evidence, KEY),
        then=RESTART,
    )


KEY_RESOURCE = "aws:kms/key:Key::phi-key"
APPLICATION_POLICY = "aws:iam/policy:Policy::app-access"

_TOLD = 3
"""Differences that are told in one sentence."""


def of_the_key_policies(evidence: CheckContext) -> Iterator[Told]:
    """The policy of the key and of each replica, as `components` makes it of the settings."""
    if ImportGroup.KEY in evidence.settings.kept_as_found:
        return  # On purpose.
    if isinstance(evidence.key, KeyFact):  # If not, that is told by the check of the key.
        yield from _judged(evidence, evidence.key, evidence.key_policy, "the key's policy", KEY_RESOURCE)
    for arn in evidence.outputs.replica_key_arns if evidence.outputs else ():
        region = region_of(arn)
        key = evidence.replica(arn)
        if isinstance(key, KeyFact):
            policy = evidence.once(f"policy {arn}", partial(evidence.aws.with_region(region).kms.key_policy, arn))
            whose = f"the policy of the replica in {region}"
            yield from _judged(evidence, key, policy, whose, f"aws:kms/replicaKey:ReplicaKey::phi-key-{region}")


def administrators_who_decrypt(evidence: CheckContext) -> Iterator[Told]:
    """Which key administrators can decrypt: through IAM, by a grant, or not at all."""
    key, access = evidence.key, evidence.aws.access
    if not isinstance(key, KeyFact) or isinstance(evidence.key_policy, SetupError):
        return  # The check of the key, or of its policy, says so.
    documents = documents_of(
        key.arn,
        policy=evidence.key_policy,
        grants=evidence.once("grants", lambda: access.grants(key.arn)),
        iam=evidence.once("iam", access.iam),
        key=key,
    )
    administrators = administrators_of(documents, evidence.settings)
    # The settings allow either, so that it is no finding; `review` compares each right with the settings.
    yield (
        Skipped(what=administrators.description) if administrators.unknown else Passed(what=administrators.description)
    )


def _judged(
    evidence: CheckContext, key: KeyFact, policy: Mapping[str, object] | SetupError, whose: str, resource: str
) -> Iterator[Told]:
    if isinstance(policy, SetupError):
        yield NotChecked.of(whose, policy)
        return
    told = [
        each
        for each in differences_of(DiscoveredSetup(key=key, key_policy=policy), evidence.settings)
        if each.what.startswith("key policy")
    ]
    unguarded = [each for each in told if each.what == "key policy, deletion"]
    changed = [each for each in told if each not in unguarded]
    if unguarded:
        yield Finding(
            cause="deletion-unguarded",
            what=f"{whose} lets it be deleted: {_in_words(unguarded)}",
            why="with the key every record is lost; the settings say who may schedule its deletion",
            command=fixes.by_the_stack(evidence, resource),
        )
    if changed:
        yield Finding(
            cause="key-policy-changed",
            what=f"{whose} is not what the settings mean: {_in_words(changed)}",
            why="who may use and administer the key was changed beside the stack",
            command=fixes.by_the_stack(evidence, resource),
        )
    if not told:
        yield Passed(what=f"{whose} is what the settings mean")


def of_the_application_policy(evidence: CheckContext) -> Iterator[Told]:
    """Whether the application's policy gives it more than the key."""
    outputs, key = evidence.outputs, evidence.key
    if (
        outputs is None
        or not isinstance(key, KeyFact)
        or ImportGroup.APPLICATION_POLICY in evidence.settings.kept_as_found
    ):
        return
    arn = outputs.app_policy_arn
    policy = evidence.once("application policy", lambda: evidence.aws.iam.policy_document(arn))
    if isinstance(policy, SetupError):
        # That it is gone is told by the check of the application's rights.
        yield NotChecked.of(f"the application's policy {arn}", policy)
        return
    attached = DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=arn, arn=arn)
    discovered = DiscoveredSetup(things=(attached,), key=key, policy_arn=arn, policy=policy)
    wider = [
        each
        for each in differences_of(discovered, evidence.settings)
        if each.part is ImportGroup.APPLICATION_POLICY
        and each.wanted == "nothing of the kind"
        and "allows" in each.found
    ]
    if wider:
        yield Finding(
            cause="policy-widened",
            what=f"the application's policy {arn} gives it more than the key: {_in_words(wider)}",
            why="whoever takes the application over has these rights too",
            command=fixes.by_the_stack(evidence, APPLICATION_POLICY),
        )
    else:
        yield Passed(what="the application's policy gives it the use of the key and nothing else")


def _in_words(told: Sequence[Difference]) -> str:
    words = [f"{each.what.removeprefix('key policy, ')}: {each.found}, and not {each.wanted}" for each in told]
    more = [f"and {len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return "; ".join([*words[:_TOLD], *more])
