"""Every claim of the report that is done, and the mutations of the account that turn exactly it.

`docs/reliability.md` has the same table for people; a test holds its calls against those of the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation.account import GrantFact
from components.policies.requirements import Topic
from tests.wizard.commands.report.test_collect import NOW, OTHER, PLACE, World
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, APP, APP_POLICY, KEY, STORED_KEY, settings, wrapped
from wizard.commands.report.claims import CALLS
from wizard.core.models.access import AccessKeyAge, KeyEvents, SignIn
from wizard.core.models.account import Retention
from wizard.core.models.audit import LogValidation
from wizard.core.models.rotation import LastBackup, RestoreDrill

ROOT = Path(__file__).resolve().parents[4]
Mutation = Callable[[World], None]
MAINTAINER = f"arn:aws:iam::{ACCOUNT}:user/maintainer"
ROOT_USER = f"arn:aws:iam::{ACCOUNT}:root"
OLD_KEY = AccessKeyAge(id="AKIAOLD", active=True, age_days=91, last_used=None)


@pytest.fixture
def done(tmp_path: Path) -> World:
    """A stack of which every claim is done."""
    world = World(settings(administrators=(ADMIN, MAINTAINER)), tmp_path / "reviews")
    names, fingerprint = world.settings.names, wrapped().fingerprint
    world.aws.who_has_access.told = {KEY: (KeyEvents(principal=APP, uses=3, verifications=1, last_use=NOW),)}
    last = LastBackup(at=NOW - timedelta(days=1), fingerprint=fingerprint, place=PLACE)
    drill = RestoreDrill(
        at=NOW, fingerprint=fingerprint, opened=True, seconds=1.2, versions=1, principal=APP, place=PLACE
    )
    world.aws.claims |= {names.last_backup: last.text, names.last_drill: drill.text}
    world.signed(1)
    return world


def key(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        world.aws.keys[KEY] = replace(world.aws.keys[KEY], **changes)

    return mutate


def trail(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        world.aws.trails = (replace(world.aws.trails[0], **changes),)

    return mutate


def bucket(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        assert isinstance(world.aws.retention, Retention)
        world.aws.retention = replace(world.aws.retention, **changes)

    return mutate


def statement(**fields: Any) -> Mutation:
    """One more statement of the key policy."""

    def mutate(world: World) -> None:
        policy: Any = world.aws.key_policies[KEY]
        added = {"Effect": "Allow", "Resource": "*", **fields}
        world.aws.key_policies[KEY] = {**policy, "Statement": [*policy["Statement"], added]}

    return mutate


def granted(world: World) -> None:
    grant = GrantFact(id="g", grantee=OTHER, operations=("Decrypt",), made=NOW, retiring=None)
    world.aws.who_has_access.granted = {KEY: (grant,)}


def wider_policy(world: World) -> None:
    policy: Any = world.aws.documents[APP_POLICY]
    allowed = [{**each, "Action": [*each["Action"], "kms:CreateGrant"]} for each in policy["Statement"]]
    world.aws.documents[APP_POLICY] = {**policy, "Statement": allowed}


def only_verified(world: World) -> None:
    world.aws.who_has_access.told = {KEY: (KeyEvents(principal=APP, uses=3, verifications=3, last_use=NOW),)}


def logs(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        values = {"region": "us-east-1", "since": NOW, "until": NOW, "digests": 9, "logs": 4, **changes}
        world.aws.log_validation = LogValidation(**values)

    return mutate


def signs_in(arn: str = MAINTAINER, **changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        world.aws.who_has_access.sign_ins = {arn: SignIn(**{"arn": arn, "mfa": True, "has_password": True, **changes})}

    return mutate


def unsigned(world: World) -> None:
    for file in world.reviews.rglob("*.signed.json"):
        file.unlink()


def record(name: str, text: str | None) -> Mutation:
    def mutate(world: World) -> None:
        parameter = getattr(world.settings.names, name)
        if text is None:
            del world.aws.claims[parameter]
        else:
            before, _, after = text.partition("→")
            world.aws.claims[parameter] = world.aws.claims[parameter].replace(before, after)

    return mutate


def other_data_key(world: World) -> None:
    world.aws.stored_keys[STORED_KEY] = replace(world.aws.stored_keys[STORED_KEY], wrapped=wrapped("another"))


MUTATIONS: Mapping[str, tuple[Mutation, tuple[Topic, ...]]] = {
    "the key is disabled": (key(state="Disabled"), (Topic.KEY,)),
    "the alias points to another key": (
        lambda world: (
            world.aws.keys.update({OTHER: replace(world.aws.keys[KEY], arn=OTHER)})
            or world.aws.aliases.update({world.settings.names.alias: OTHER})
        ),
        (Topic.KEY,),
    ),
    "a grant lets somebody else decrypt": (granted, (Topic.KEY_POLICY,)),
    "the key policy names somebody else": (
        statement(Principal={"AWS": OTHER}, Action="kms:Decrypt"),
        (Topic.KEY_POLICY,),
    ),
    "an administrator can decrypt by the key policy": (
        statement(Principal={"AWS": ADMIN}, Action="kms:Decrypt"),
        (Topic.KEY_POLICY,),
    ),
    "the application's policy is wider": (wider_policy, (Topic.APPLICATION_POLICY,)),
    "rotation is off": (key(rotation_enabled=False), (Topic.ROTATION,)),
    "rotation has another period": (key(rotation_period_days=700), (Topic.ROTATION,)),
    "the trail is stopped": (trail(logging=False), (Topic.TRAIL,)),
    "the trail records one Region": (trail(multi_region=False), (Topic.TRAIL,)),
    "the trail leaves out the global services": (trail(global_events=False), (Topic.TRAIL,)),
    "the trail does not validate its files": (trail(validation=False), (Topic.TRAIL,)),
    "the trail leaves out KMS": (trail(kms_events=False), (Topic.TRAIL,)),
    "the trail writes to another bucket": (trail(bucket="elsewhere"), (Topic.TRAIL,)),
    "the bucket can be public": (bucket(public_access_blocked=False), (Topic.TRAIL,)),
    "the bucket has no versions": (bucket(versioned=False), (Topic.TRAIL,)),
    "the bucket is not encrypted": (bucket(encrypted=False), (Topic.TRAIL,)),
    "the logs expire early": (bucket(expires_after_days=90), (Topic.TRAIL,)),
    "the bucket allows plain HTTP": (bucket(tls_only=False), (Topic.TRAIL,)),
    "the stored data key is deleted": (
        lambda world: world.aws.stored_keys.clear(),
        (Topic.DATA_KEY, Topic.BACKUP),
    ),
    "the stored data key is another one than the backup has": (other_data_key, (Topic.BACKUP,)),
    "the application's role is only used by verify": (only_verified, (Topic.APPLICATION,)),
    "the signature is gone": (unsigned, (Topic.REVIEW,)),
    "no backup is on record": (record("last_backup", None), (Topic.BACKUP,)),
    "no drill is on record": (record("last_drill", None), (Topic.BACKUP,)),
    "the drill failed": (record("last_drill", "opened→failed"), (Topic.BACKUP,)),
    "the drill opened another backup": (record("last_drill", "clinic-backups→other"), (Topic.BACKUP,)),
    "a log file was changed": (logs(faults=("the log file s3://logs/x was changed",)), (Topic.LOGS,)),
    "a digest is missing": (logs(faults=("the digest s3://logs/x is missing",)), (Topic.LOGS,)),
    "older log files were not compared": (logs(left=7), (Topic.LOGS,)),
    "the log files cannot be decrypted": (logs(unread=("4 log files could not be read: denied",)), (Topic.LOGS,)),
    "the trail has no digest": (
        logs(since=None, until=None, unread=("CloudTrail has delivered no digest in this period",)),
        (Topic.LOGS,),
    ),
    "the root user has no MFA": (signs_in(ROOT_USER, mfa=False), (Topic.SIGN_IN,)),
    "the root user has access keys": (signs_in(ROOT_USER, has_root_keys=True), (Topic.SIGN_IN,)),
    "an administrator has no MFA": (signs_in(mfa=False), (Topic.SIGN_IN,)),
    "an access key of an administrator is old": (signs_in(access_keys=(OLD_KEY,)), (Topic.SIGN_IN,)),
    "the MFA of an administrator cannot be read": (signs_in(mfa=None, why="denied"), (Topic.SIGN_IN,)),
    "the backup is old": (record("last_backup", "2026→2025"), (Topic.BACKUP,)),
}


def states(world: World) -> dict[str, str]:
    return {each.title: each.state for each in world.report().checklist}


def test_every_claim_can_be_done(done: World) -> None:
    assert set(states(done).values()) == {"done"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_of_the_account_turns_exactly_its_claims(done: World, name: str) -> None:
    mutate, topics = MUTATIONS[name]
    mutate(done)
    assert {title for title, state in states(done).items() if state != "done"} == set(topics)


def test_every_claim_has_a_mutation_that_turns_it() -> None:
    assert {topic for _, topics in MUTATIONS.values() for topic in topics} == set(Topic)


def test_the_table_for_people_has_every_claim_its_calls_and_its_mutations() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for topic, calls in CALLS.items():
        mutations = "; ".join(name for name, (_, topics) in MUTATIONS.items() if topic in topics)
        assert f"| {topic} | {', '.join(f'`{call}`' for call in calls)} | {mutations} |" in text
