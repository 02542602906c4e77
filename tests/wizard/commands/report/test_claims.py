"""Every claim of the report: the facts that it rests on, and the mutations that turn it.

A claim is an item of the checklist, a requirement, or a safeguard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation.account import GrantFact
from components.policies.requirements import REQUIREMENTS, Topic
from components.policies.safeguards import ORGANIZATIONAL
from tests.wizard.account.judgements.test_backup import document as backup_document
from tests.wizard.account.judgements.test_s3_documents import BUCKET as DOCUMENTS
from tests.wizard.account.judgements.test_s3_documents import GOOD as DOCUMENTS_POLICY
from tests.wizard.account.judgements.test_s3_documents import (
    documents_as_they_should_be,
)
from tests.wizard.commands.report.test_collect import NOW, OTHER, PLACE, World, scan
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, APP, APP_POLICY, KEY, LOGS_KEY, STORED_KEY, settings, wrapped
from wizard.account import judgements
from wizard.account.facts import StackFacts
from wizard.account.judgements import period
from wizard.account.notices import State
from wizard.account.views import Diagnosis, counts, diagnose, state_of
from wizard.commands.report.claims import agreements_of, checklist_of, safeguards_of
from wizard.core.errors import PermissionDenied
from wizard.core.models.access import AccessKeyAge, KeyEvents, SignIn
from wizard.core.models.account import Retention
from wizard.core.models.rotation import LastBackup, RestoreDrill
from wizard.core.models.s3_documents import DocumentBucket, Encryption, ObjectState, ObjectVersion
from wizard.core.models.trail import LogValidation

Mutation = Callable[[World], None]
MAINTAINER = f"arn:aws:iam::{ACCOUNT}:user/maintainer"
ROOT_USER = f"arn:aws:iam::{ACCOUNT}:root"
OPEN_TO_ANOTHER: dict[str, Any] = {
    **DOCUMENTS_POLICY,
    "Statement": [
        *DOCUMENTS_POLICY["Statement"],
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::999988887777:root"},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{DOCUMENTS}/*",
        },
    ],
}
OLD_KEY = AccessKeyAge(id="AKIAOLD", active=True, age_days=91, last_used=None)


@pytest.fixture
def done(tmp_path: Path) -> World:
    return whole_world(tmp_path)


def whole_world(folder: Path) -> World:
    """A stack of which every claim is done."""
    with_documents = {"document_buckets": (DOCUMENTS,), "documents_key": True}
    world = World(settings(administrators=(ADMIN, MAINTAINER), **with_documents), folder / "reviews")
    documents_as_they_should_be(world.aws, world.settings)
    names, fingerprint = world.settings.names, wrapped().fingerprint
    world.aws.who_has_access.told = {KEY: (KeyEvents(principal=APP, uses=3, verifications=1, last_use=NOW),)}
    last = LastBackup(at=NOW - timedelta(days=1), fingerprint=fingerprint, place=PLACE)
    drill = RestoreDrill(
        at=NOW, fingerprint=fingerprint, opened=True, seconds=1.2, versions=1, principal=APP, place=PLACE
    )
    world.aws.claims |= {names.last_backup: last.text, names.last_drill: drill.text}
    world.aws.backup_storage.create(VAULT_BUCKET, "production.json", backup_document().encode(), until=None)
    world.signed(1)
    return world


def documents(**changes: Any) -> Mutation:
    """The bucket of the documents, changed."""

    def mutate(world: World) -> None:
        bucket = world.aws.s3_documents.buckets[DOCUMENTS]
        assert isinstance(bucket, DocumentBucket)
        world.aws.s3_documents.buckets[DOCUMENTS] = replace(bucket, **changes)

    return mutate


def document_elsewhere(world: World) -> None:
    state = ObjectState(encryption=Encryption(algorithm="AES256"))
    world.aws.s3_documents.objects[DOCUMENTS] = {ObjectVersion(key="scan"): state}


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


def detached(world: World) -> None:
    principals = world.aws.access_diagnostics.principals
    principals[APP] = replace(principals[APP], policies=())


def trusted(world: World) -> None:
    principals = world.aws.access_diagnostics.principals
    statement = {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "sts:AssumeRole"}
    trust: Any = principals[APP].trust
    principals[APP] = replace(principals[APP], trust={**trust, "Statement": [*trust["Statement"], statement]})


def without_denials(world: World) -> None:
    policy: Any = world.aws.key_policies[KEY]
    kept = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    world.aws.key_policies[KEY] = {**policy, "Statement": kept}


def logs_key(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        world.aws.keys[LOGS_KEY] = replace(world.aws.keys[LOGS_KEY], **changes)

    return mutate


def version_lost(world: World) -> None:
    world.aws.key_rotation.altered_entries = (f"/eonpro/production/data-keys/{wrapped().fingerprint[7:]}",)


def overwritten(world: World) -> None:
    """Three other values, and the right one again."""
    stored = world.aws.stored_keys[STORED_KEY]
    world.aws.stored_keys[STORED_KEY] = replace(stored, version=5, overwrites=4)


def scanned(*states: str) -> Mutation:
    def mutate(world: World) -> None:
        world.scan = scan(*states)

    return mutate


def rule_off(world: World) -> None:
    fact = world.aws.audit.alerts(world.settings)
    first, *rest = fact.rules
    world.aws.alerts = replace(fact, rules=(replace(first, state="DISABLED"), *rest))


def alarm(**changes: Any) -> Mutation:
    def mutate(world: World) -> None:
        fact = world.aws.audit.alerts(world.settings)
        world.aws.alerts = replace(fact, alarm={**(fact.alarm or {}), **changes})

    return mutate


def unreceived(world: World) -> None:
    fact = world.aws.audit.alerts(world.settings)
    world.aws.alerts = replace(fact, topics=tuple(replace(topic, receivers=0) for topic in fact.topics))


def fallback_gone(world: World) -> None:
    fact = world.aws.audit.alerts(world.settings)
    first, fallback = fact.topics
    world.aws.alerts = replace(fact, topics=(first, replace(fallback, is_there=False)))


MUTATIONS: Mapping[str, tuple[Mutation, tuple[Topic, ...]]] = {
    "the key is disabled": (key(state="Disabled"), (Topic.KEY,)),
    "the alias points to another key": (
        lambda world: (
            world.aws.keys.update({OTHER: replace(world.aws.keys[KEY], arn=OTHER)})
            or world.aws.aliases.update({world.settings.names.alias: OTHER})
        ),
        (Topic.KEY,),
    ),
    "a grant lets somebody else decrypt": (granted, (Topic.KEY_POLICY, Topic.OTHERS)),
    "the key policy names somebody else": (
        statement(Principal={"AWS": OTHER}, Action="kms:Decrypt"),
        (Topic.KEY_POLICY, Topic.OTHERS),
    ),
    "an administrator can decrypt by the key policy": (
        statement(Principal={"AWS": ADMIN}, Action="kms:Decrypt"),
        (Topic.KEY_POLICY, Topic.OTHERS),
    ),
    "the application's policy is wider": (wider_policy, (Topic.APPLICATION_POLICY,)),
    "rotation is off": (key(rotation_enabled=False), (Topic.ROTATION,)),
    "the trail is stopped": (trail(logging=False), (Topic.TRAIL,)),
    "the trail leaves out KMS": (trail(kms_events=False), (Topic.TRAIL,)),
    "the bucket can be public": (bucket(public_access_blocked=False), (Topic.TRAIL,)),
    "the stored data key is deleted": (
        lambda world: world.aws.stored_keys.clear(),
        (Topic.DATA_KEY, Topic.BACKUP, Topic.APPLICATION),
    ),
    "the stored data key is another one than the backup has": (
        other_data_key,
        (Topic.DATA_KEY, Topic.BACKUP, Topic.APPLICATION),
    ),
    "the application's role is only used by verify": (only_verified, (Topic.APPLICATION,)),
    "the signature is gone": (unsigned, (Topic.REVIEW,)),
    "no backup is on record": (record("last_backup", None), (Topic.BACKUP,)),
    "no drill is on record": (record("last_drill", None), (Topic.BACKUP,)),
    "the drill opened another backup": (record("last_drill", "clinic-backups→other"), (Topic.BACKUP,)),
    "a log file was changed": (logs(faults=("the log file s3://logs/x was changed",)), (Topic.LOGS,)),
    "older log files were not compared": (logs(left=7), (Topic.LOGS,)),
    "the trail has no digest": (
        logs(since=None, until=None, unread=("CloudTrail has delivered no digest in this period",)),
        (Topic.LOGS,),
    ),
    "the root user has no MFA": (signs_in(ROOT_USER, mfa=False), (Topic.SIGN_IN,)),
    "an administrator has no MFA": (signs_in(mfa=False), (Topic.SIGN_IN,)),
    "an access key of an administrator is old": (signs_in(access_keys=(OLD_KEY,)), (Topic.SIGN_IN,)),
    "the MFA of an administrator cannot be read": (signs_in(mfa=None, why="denied"), (Topic.SIGN_IN,)),
    "the backup is old": (record("last_backup", "2026→2025"), (Topic.BACKUP,)),
    "the application's policy is detached": (detached, (Topic.APPLICATION_POLICY,)),
    "another account can become the application": (trusted, (Topic.APPLICATION_POLICY,)),
    "the key policy no longer denies the deletion": (without_denials, (Topic.KEY, Topic.KEY_POLICY)),
    "the key of the logs does not rotate": (logs_key(rotation_enabled=False), (Topic.ROTATION,)),
    "the key of the logs is disabled": (logs_key(state="Disabled"), (Topic.TRAIL,)),
    "a kept version is deleted": (version_lost, (Topic.DATA_KEY,)),
    "the stored data key was overwritten, and put back": (overwritten, (Topic.DATA_KEY,)),
    "the file of the backup is deleted": (lambda world: world.aws.backup_storage.objects.clear(), (Topic.BACKUP,)),
    "a variable of the application is wrong": (
        lambda world: world.vercel.variables.update({"AWS_REGION": "eu-west-9"}),
        (Topic.APPLICATION,),
    ),
    "the scan found a column in the clear": (scanned("records", "clear"), (Topic.APPLICATION,)),
    "a rule of the alerts is off": (rule_off, (Topic.ALERTS,)),
    "the alarm of denied uses is off": (alarm(ActionsEnabled=False), (Topic.ALERTS,)),
    "nobody receives the alerts": (unreceived, (Topic.ALERTS,)),
    "the second way of the alerts is gone": (fallback_gone, (Topic.ALERTS,)),
    "a bucket of documents can be public": (documents(public_access_blocked=False), (Topic.DOCUMENTS,)),
    "another account can read the documents": (documents(policy=OPEN_TO_ANOTHER), (Topic.DOCUMENTS,)),
    "documents are encrypted under another key": (
        documents(encryption=Encryption(algorithm="AES256")),
        (Topic.DOCUMENTS,),
    ),
    "a document is under another key": (document_elsewhere, (Topic.DOCUMENTS,)),
}


def states(world: World) -> dict[str, str]:
    return {each.title: each.state for each in world.report().checklist}


def denied() -> Any:
    raise PermissionDenied("you may not look", "ask for the right to")


def examined(world: World, *unread: str) -> Diagnosis:
    """The diagnosis of the report, with these facts unread."""
    stack = world.facts()
    readers: dict[str, Any] = {name: partial(getattr, stack, name) for name in ("state", "project")}
    facts = StackFacts(
        stack=stack.stack,
        settings=stack.settings,
        aws=stack.aws,
        sources=replace(world.clients(), reviews=world.reviews),
        open_engine=lambda: stack.engine,
        vercel=stack.vercel,
        readers={**readers, **dict.fromkeys(unread, denied)},
    )
    return diagnose(facts, judgements.REPORT_CHECKS)


def claimed(world: World, diagnosis: Diagnosis) -> dict[str, str]:
    """The state of every claim that the account decides, by its name."""
    items = checklist_of(diagnosis, world.settings, "production", NOW)
    safeguards = safeguards_of(diagnosis, world.settings, agreements_of(world.settings, {}))
    wanted = [each for each in REQUIREMENTS if counts(each, world.settings)]
    return {
        **{f"item: {each.title}": each.state for each in items},
        **{f"requirement: {each.id}": state_of(each.id, diagnosis.notices) for each in wanted},
        **{f"safeguard: {each.section} {each.name}": each.state for each in safeguards if each.state == "done"},
    }


def facts_of(world: World, diagnosis: Diagnosis) -> dict[str, frozenset[str]]:
    """The facts that each claim rests on, without the addresses in their names."""
    by_id = {
        each.id: frozenset(fact for notice in diagnosis.bearing_on(each.id) for fact in notice.facts)
        for each in REQUIREMENTS
        if counts(each, world.settings)
    }
    found: dict[str, frozenset[str]] = {}
    for name in claimed(world, diagnosis):
        kind, _, rest = name.partition(": ")
        ids = [
            each.id
            for each in REQUIREMENTS
            if each.id in by_id
            and {"item": each.topic == rest, "requirement": each.id == rest}.get(kind, rest.split()[0] in each.sections)
        ]
        found[name] = frozenset().union(*(by_id[id_] for id_ in ids))
    return found


NEVER_UNREAD = frozenset({"state", "keys", "code", "instances", period.SCAN, period.MOST_LOG_FILES})
"""Without the state there is no report, `keys` is made of facts that are values, the others are read for the words of a
command, or are given by a person."""


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """The claims that turn when a fact could not be read, by fact; and the facts that each claim's notices name."""
    done = whole_world(tmp_path_factory.mktemp("claims"))
    whole = examined(done)
    claims, named = claimed(done, whole), facts_of(done, whole)
    assert set(claims.values()) <= {"done", State.GOOD}
    turned: dict[str, list[str]] = {}
    for fact in sorted(frozenset().union(*named.values()) - NEVER_UNREAD):
        now = claimed(done, examined(done, fact))
        turned[fact] = [claim for claim in claims if now.get(claim) not in ("done", State.GOOD)]
    return {"turned": turned, "named": {claim: sorted(facts) for claim, facts in named.items()}}


@pytest.mark.thorough
def test_each_fact_of_the_notices_turns_a_claim_when_it_could_not_be_read(turning) -> None:
    """But three, which are rows of the access table: there they are unknown, and among what was not read."""
    without = {fact.partition(" arn:")[0] for fact, claims in turning["turned"].items() if not claims}
    assert without == {"access keys of", "aliases of", "last use of"}


def test_each_claim_turns_when_a_fact_could_not_be_read_and_its_notices_name_that_fact(turning) -> None:
    named, unnamed = turning["named"], []
    count = sum(len(claims) for claims in turning["turned"].values())
    print(
        f"{len(named)} claims, {len(turning['turned'])} facts: {count} claims turned, {len(MUTATIONS)} other mutations"
    )
    assert {*named} == {claim for claims in turning["turned"].values() for claim in claims}
    for fact, claims in turning["turned"].items():
        unnamed += [(claim, fact) for claim in claims if fact not in named[claim]]
    assert unnamed == []


def test_every_claim_can_be_done(done: World) -> None:
    assert set(states(done).values()) == {"done"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_of_the_account_turns_exactly_its_claims(done: World, name: str) -> None:
    mutate, topics = MUTATIONS[name]
    mutate(done)
    assert {title for title, state in states(done).items() if state != "done"} == set(topics)


def test_every_claim_has_a_mutation_that_turns_it() -> None:
    assert {topic for _, topics in MUTATIONS.values() for topic in topics} == set(Topic)


def test_an_organizational_safeguard_is_never_done_by_a_machine(done: World) -> None:
    by_section = {each.section: each for each in done.report().safeguards}
    agreements = {"164.308(b)(1)", "164.308(b)(3)"}
    assert {by_section[section].state for section in ORGANIZATIONAL - agreements} == {"a person"}
    assert by_section["164.308(a)(7)(ii)(B)"].evidence == (str(Topic.BACKUP),)
    assert by_section["164.312(b)"].state == "done"


@pytest.mark.parametrize("changes", [{"alerts": False}, {}])
def test_response_and_reporting_is_for_a_person_with_or_without_alerts(tmp_path: Path, changes: dict[str, Any]) -> None:
    world = World(settings(**changes), tmp_path / "reviews")
    unreceived(world)
    by_section = {each.section: each for each in world.report().safeguards}
    assert by_section["164.308(a)(6)(ii)"].state == "a person"
    assert by_section["164.308(a)(6)(ii)"].evidence == (() if changes else (str(Topic.ALERTS),))
