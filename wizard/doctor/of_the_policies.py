"""The key's policy and the application's, against what the settings mean: who may more, who is no longer kept out.

Pure: reads through the evidence. What the application lacks is another check's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from components.contract import Part, Thing
from wizard.adoption_differences import differences
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.escrow import region_of
from wizard.facts import Difference, Found, HandMade, KeyFact

KEY = "aws:kms/key:Key::phi-key"
APPLICATION_POLICY = "aws:iam/policy:Policy::app-access"

_TOLD = 3
"""Differences that are told in one sentence."""


def of_the_key_policies(evidence: Evidence) -> Iterator[Told]:
    """The policy of the key and of each replica, as `components` makes it of the settings."""
    if Part.KEY in evidence.settings.kept_as_found:
        return  # On purpose.
    if isinstance(evidence.key, KeyFact):  # If not, that is told by the check of the key.
        yield from _judged(evidence, evidence.key, evidence.key_policy, "the key's policy", KEY)
    for arn in evidence.outputs.replica_key_arns if evidence.outputs else ():
        region = region_of(arn)
        key = evidence.replica(arn)
        if isinstance(key, KeyFact):
            policy = evidence.once(f"policy {arn}", partial(evidence.cloud.with_region(region).key_policy, arn))
            whose = f"the policy of the replica in {region}"
            yield from _judged(evidence, key, policy, whose, f"aws:kms/replicaKey:ReplicaKey::phi-key-{region}")


def _judged(
    evidence: Evidence, key: KeyFact, policy: Mapping[str, object] | SetupError, whose: str, resource: str
) -> Iterator[Told]:
    if isinstance(policy, SetupError):
        yield Unlooked.of(whose, policy)
        return
    told = [
        each
        for each in differences(HandMade(key=key, key_policy=policy), evidence.settings)
        if each.what.startswith("key policy")
    ]
    unguarded = [each for each in told if each.what == "key policy, deletion"]
    changed = [each for each in told if each not in unguarded]
    if unguarded:
        yield Finding(
            cause="deletion-unguarded",
            what=f"{whose} lets it be deleted: {_in_words(unguarded)}",
            why="with the key every record is lost; the settings say who may schedule its deletion",
            command=remedies.by_the_stack(evidence, resource),
        )
    if changed:
        yield Finding(
            cause="key-policy-changed",
            what=f"{whose} is not what the settings mean: {_in_words(changed)}",
            why="who may use and administer the key was changed beside the stack",
            command=remedies.by_the_stack(evidence, resource),
        )
    if not told:
        yield Well(what=f"{whose} is what the settings mean")


def of_the_application_policy(evidence: Evidence) -> Iterator[Told]:
    """Whether the application's policy gives it more than the key."""
    outputs, key = evidence.outputs, evidence.key
    if outputs is None or not isinstance(key, KeyFact) or Part.APPLICATION_POLICY in evidence.settings.kept_as_found:
        return
    arn = outputs.app_policy_arn
    policy = evidence.once("application policy", lambda: evidence.cloud.policy_document(arn))
    if isinstance(policy, SetupError):
        # That it is gone is told by the check of the application's rights.
        yield Unlooked.of(f"the application's policy {arn}", policy)
        return
    attached = Found(thing=Thing.POLICY_ATTACHMENT, id=arn, arn=arn)
    hand_made = HandMade(things=(attached,), key=key, policy_arn=arn, policy=policy)
    wider = [
        each
        for each in differences(hand_made, evidence.settings)
        if each.part is Part.APPLICATION_POLICY and each.wanted == "nothing of the kind" and "allows" in each.found
    ]
    if wider:
        yield Finding(
            cause="policy-widened",
            what=f"the application's policy {arn} gives it more than the key: {_in_words(wider)}",
            why="whoever takes the application over has these rights too",
            command=remedies.by_the_stack(evidence, APPLICATION_POLICY),
        )
    else:
        yield Well(what="the application's policy gives it the use of the key and nothing else")


def _in_words(told: Sequence[Difference]) -> str:
    words = [f"{each.what.removeprefix('key policy, ')}: {each.found}, and not {each.wanted}" for each in told]
    more = [f"and {len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return "; ".join([*words[:_TOLD], *more])
