"""The rules alone: documents in every form, values that are not known yet, providers, and the words of a refusal."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from guardrails.rules import RULES, STACK_RULES, types
from guardrails.rules.judgement import NAMED_BY
from guardrails.rules.resource import UNKNOWN, Resource, UnknownValue
from guardrails.rules.settings import read
from guardrails.rules.table import rows_of
from guardrails.rules.table.keys import ADMINISTRATION
from tests.components.configurations import ACCOUNT, AS_TEXT
from tests.guardrails.planned import PROVIDER, allow, configuration_of, document

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
SETTINGS = read(AS_TEXT)


def resource(type_: str, name: str, props: Mapping[str, Any], **more: Any) -> Resource:
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::{name}"
    given = {"settings": SETTINGS, "configuration": AS_TEXT, "provider": PROVIDER, "protected": True, **more}
    return Resource(type=type_, urn=urn, props=props, **given)


def messages(subject: Resource, rule: str | None = None) -> list[str]:
    """What the rules say of a resource; "unknown" for one that cannot be checked yet."""
    texts = []
    for each in RULES:
        if rule in (None, each.name):
            try:
                for text in each.violations(subject):
                    texts.append(text)
            except UnknownValue:
                texts.append("unknown")
    return texts


def key(policy: Any = None, **props: Any) -> Resource:
    given = {"enableKeyRotation": True, "rotationPeriodInDays": 365.0, "deletionWindowInDays": 30.0, **props}
    tags = {"Application": "EONPRO", "Environment": "Production"}
    return resource(types.KEY, "phi-key", {"policy": policy or POLICY, "tags": tags, **given})


def _deny(action: str, condition: Mapping[str, Any]) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition}


DELETION = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ["kms:ScheduleKeyDeletion"], "Resource": "*"}
IN_USE = _deny("kms:DisableKey", {"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}})
USED = allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"}, Action="kms:Decrypt", Resource="*")
MANAGED = allow(Principal={"AWS": ADMIN}, Action=list(ADMINISTRATION), Resource="*")
POLICY = document(allow(Principal={"AWS": ACCOUNT}, Action="kms:*", Resource="*"), MANAGED, USED, DELETION, IN_USE)


# --- what is not known yet


def test_an_unknown_value_neither_passes_nor_hides_what_is_known() -> None:
    unknown = key(UNKNOWN, enableKeyRotation=UNKNOWN, rotationPeriodInDays=1.0)
    assert messages(unknown, "listed-access") == ["unknown"]
    assert messages(unknown, "phi-key-rotation") == [
        "The Key phi-key: its rotationPeriodInDays is 1, wanted 365; to change that: "
        "pulumi config set --stack production eonpro-kms:rotationPeriodDays VALUE.",
        "unknown",
    ]


def test_what_the_provider_writes_for_itself_is_no_part_of_a_value() -> None:
    own = {"__defaults": [], "versioningConfiguration": {"__defaults": [], "status": "Enabled"}}
    bucket = SETTINGS.own_bucket
    versioning = resource(types.VERSIONING, "audit-trail", {"bucket": bucket, **own})
    assert messages(versioning) == []


def test_an_unknown_part_of_a_value_is_unknown() -> None:
    rules = [{"id": UNKNOWN, "status": "Enabled"}]
    subject = resource(types.LIFECYCLE, "audit-trail", {"bucket": "x", "rules": rules})
    assert messages(subject, "trail-retention")[-1] == "unknown"


def test_a_reference_that_a_first_preview_cannot_know_is_left_to_the_update_in_silence() -> None:
    encryption = {"bucket": UNKNOWN, "rules": [{"kmsMasterKeyId": UNKNOWN}]}
    subject = resource(types.ENCRYPTION, "audit-trail", encryption)
    assert messages(subject) == []


@pytest.mark.parametrize("name", ["", "kmsMasterKeyID", "keyId"])
def test_a_key_that_is_named_elsewhere_encrypts_nothing(name: str) -> None:
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY_ID}"
    default = {"sseAlgorithm": "aws:kms", name: arn}
    props = {"bucket": SETTINGS.own_bucket, "rules": [{"applyServerSideEncryptionByDefault": default}]}
    found = messages(resource(types.ENCRYPTION, "audit-trail", props), "trail-bucket-encrypted")
    assert any("kmsMasterKeyId not set, wanted that of the audit logs" in text for text in found)


# --- providers


def provider(name: str = "default_7_51_1", type_: str = "pulumi:providers:aws", **props: Any) -> Resource:
    given = {"version": "7.51.1", "region": "us-east-1", "allowedAccountIds": json.dumps([ACCOUNT]), **props}
    return resource(type_, name, given, provider=None, protected=False)


def test_the_provider_has_the_options_of_the_stacks_configuration() -> None:
    by_itself = ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId")
    assert messages(provider(**dict.fromkeys(by_itself, "true"))) == []
    roles = [{"roleArn": f"arn:aws:iam::{ACCOUNT}:role/deploy"}]
    assumed = provider(assumeRoles=json.dumps(roles))
    [message] = messages(assumed)
    assert "assumeRoles is not the one of the stack's configuration" in message and "aws:assumeRoles VALUE" in message
    configured = {**AS_TEXT, "aws:assumeRoles": json.dumps(roles)}
    assert messages(resource(assumed.type, assumed.name, assumed.props, provider=None, configuration=configured)) == []


@pytest.mark.parametrize(
    "other",
    [
        provider("theirs"),
        provider("default_1"),
        provider(allowedAccountIds=None),
        provider("default_7_51_1_https_/theirs.example"),
        provider(region="eu-west-1"),
        provider(endpoints='[{"kms": "https://theirs.example"}]'),
        provider(secretKey="a secret"),
        provider("default_1_0_0", "pulumi:providers:aws-native"),
        provider("default_1_0_0", "pulumi:providers:command"),
        provider("default", "pulumi:providers:pulumi-python"),
    ],
)
def test_another_provider_is_refused_and_no_secret_is_shown(other: Resource) -> None:
    found = messages(other)
    assert found and "a secret" not in " ".join(found)


@pytest.mark.parametrize("name", ["pulumi:providers:aws::theirs", "pulumi:providers:aws-native::default_1_0_0"])
def test_a_resource_of_another_provider_is_refused(name: str) -> None:
    made = resource(types.KEY, "phi-key", key().props, provider=f"urn:pulumi:production::eonpro-kms::{name}")
    [message] = messages(made)
    assert "could work in another account" in message


# --- what the settings leave as it was found


def kept(policy: str, ignored: frozenset[str] = frozenset({"policy"}), groups: str = '["key"]') -> list[str]:
    configuration = configuration_of({"keptAsFound": groups, "adopted": [f"key={KEY_ID}"]})
    subject = key(policy)
    settings = read(configuration)
    return messages(resource(types.KEY, "phi-key", subject.props, ignored=ignored, settings=settings), "listed-access")


def test_an_imported_policy_that_the_settings_keep_is_the_owners_but_for_the_application() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
    theirs = document(allow(Principal={"AWS": "arn:aws:iam::999999999999:root"}, Action="kms:Verify", Resource="*"))
    assert kept(theirs) == []
    assert kept(theirs, ignored=frozenset()) != [] and kept(theirs, groups="[]") != []
    for action, is_refused in (
        ("kms:Encrypt", False),
        ("kms:Decrypt", False),
        ("kms:CreateGrant", True),
        ("kms:*", True),
    ):
        policy = document(allow(Principal={"AWS": [ROOT, own]}, Action=action, Resource="*"))
        assert any(own in text for text in kept(policy)) is is_refused


def test_what_is_yet_to_be_made_has_nothing_to_keep() -> None:
    configuration = configuration_of({"keptAsFound": '["key"]', "adopted": [f"key={KEY_ID}"]})
    settings, ignored = read(configuration), frozenset({"policy"})
    for arn, is_new in ((UNKNOWN, True), ("arn:aws:kms:us-east-1:1:key/1", False)):
        props = {"arn": arn, "keyId": KEY_ID}
        stack = [resource(types.KEY, "phi-key", props, ignored=ignored, settings=settings)]
        assert any("is a new one" in text for each in STACK_RULES for _, text in each.check(stack)) is is_new


# --- the stack's keys


@pytest.mark.parametrize(
    ("target", "key_id", "refers_to", "is_refused"),
    [
        (KEY_ID, KEY_ID, None, False),
        (KEY_ID.replace("1", "2"), KEY_ID, "phi-key", True),
        # Before the update the engine knows the dependency alone.
        (UNKNOWN, UNKNOWN, "phi-key", False),
        (UNKNOWN, KEY_ID, "audit-trail-key", True),
        (UNKNOWN, KEY_ID, None, True),
        (KEY_ID, UNKNOWN, None, True),
    ],
)
def test_an_alias_is_of_the_stacks_own_key(target: str, key_id: str, refers_to: str | None, is_refused: bool) -> None:
    own = resource(types.KEY, "phi-key", {"keyId": key_id})
    urn = () if refers_to is None else (own.urn.replace("phi-key", refers_to),)
    props = {"targetKeyId": target}
    alias = resource(types.ALIAS, "phi-key", props, refers_to={"targetKeyId": urn})
    found = [text for rule in STACK_RULES for urn, text in rule.check([own, alias]) if urn == alias.urn]
    assert any("has to name the Key phi-key, and no other key" in text for text in found) is is_refused


def test_a_key_of_somebody_else_that_the_program_only_reads_is_none_of_the_stacks() -> None:
    """The engine asks no rule for a resource that is read, and sends it with the whole stack alone."""
    foreign = document(allow(Principal={"AWS": "arn:aws:iam::999999999999:root"}, Action="kms:Decrypt", Resource="*"))
    props = {"keyId": KEY_ID, "policy": foreign}
    read = resource(types.KEY, "phi-key", props, protected=False)
    found = [text for rule in STACK_RULES for urn, text in rule.check([read]) if urn == read.urn]
    assert any("is not a protected resource of this stack" in text for text in found)
    assert any("gives the account 999999999999 kms:Decrypt" in text for text in found)


# --- what is not ours


@pytest.mark.parametrize(
    ("source", "is_refused"),
    [((types.BUCKET, "more"), False), ((types.BUCKET, "audit-trail"), True), ((types.TOPIC, "alerts"), True)],
)
def test_a_setting_of_a_bucket_that_is_yet_to_be_made_is_told_by_where_its_name_comes_from(
    source: tuple[str, str], is_refused: bool
) -> None:
    made = resource(*source, {"bucket": UNKNOWN})
    props = {"bucket": UNKNOWN, "versioningConfiguration": {"status": "Suspended"}}
    setting = resource(types.VERSIONING, "more", props, refers_to={"bucket": (made.urn,)})
    assert messages(setting) == []
    found = [text for rule in STACK_RULES for urn, text in rule.check([made, setting]) if urn == setting.urn]
    assert any("wanted an output of a bucket that this stack makes" in text for text in found) is is_refused


@pytest.mark.parametrize("type_", [types.BUCKET, types.LOG_GROUP, types.ALARM, types.TOPIC])
def test_the_names_of_another_environment_are_not_the_teams(type_: str) -> None:
    """Each of the table: an alert that it gets tomorrow, too."""
    staging = read(configuration_of({"environment": "staging", "cloudwatchLogs": True, "trailBucket": ""}))
    named_by = NAMED_BY[type_]
    names = {row.must[named_by] for row in rows_of(staging).values() if row.type == type_}
    assert names
    for name in names:
        [message] = messages(resource(type_, "more", {named_by: name}), "listed-resources")
        assert f"its {named_by} is {name}, wanted another one" in message


@pytest.mark.parametrize("bucket", ["arn:aws:s3:us-east-1:111122223333:accesspoint/x", "arn:aws:s3:::x", "A/b"])
def test_a_bucket_that_is_not_called_by_its_name_can_be_any(bucket: Any) -> None:
    [message] = messages(resource(types.BUCKET_POLICY, "more", {"bucket": bucket, "policy": "{}"}))
    assert f"its bucket is {bucket}, wanted another one" in message


def test_a_component_of_the_same_type_is_nothing_in_the_account() -> None:
    fake = resource(types.KEY, "phi-key", {"keyId": KEY_ID}, provider=None)
    found = [text for rule in STACK_RULES for _, text in rule.check([fake])]
    assert any("The stack has no Key phi-key" in text for text in found)


# --- words


def test_a_refusal_says_what_is_given_to_whom_and_how_to_allow_it() -> None:
    somebody = f"arn:aws:iam::{ACCOUNT}:role/somebody"
    extra = allow(Sid="Mine", Principal={"AWS": somebody}, Action="kms:ScheduleKeyDeletion", Resource="*")
    policy = json.loads(POLICY)
    policy["Statement"].append(extra)
    assert messages(key(json.dumps(policy))) == [
        f"The Key phi-key: its policy, statement 'Mine' gives {somebody} kms:ScheduleKeyDeletion on *; "
        "wanted nothing for it: to allow it, name them in deletionAdministrators."
    ]
    more = resource("aws:iam/accessKey:AccessKey", "more", {"user": "eonpro-app-user"})
    assert messages(more) == [
        "The AccessKey more (aws:iam/accessKey:AccessKey) is not in the table of what this stack may contain: with it "
        "somebody could get access, or change what the stack protects, unseen by the other rules. Take it out of "
        "the program, and make it in a stack of its own."
    ]
    replica = resource(types.REPLICA_KEY, "phi-key-eu-west-1", {})
    [message] = messages(replica)
    assert (
        "to change that: pulumi config set --stack production --path 'eonpro-kms:replicaRegions[N]' VALUE." in message
    )


def test_without_the_stacks_settings_nothing_passes() -> None:
    subject = key()
    unread = resource(types.KEY, "phi-key", subject.props, settings=None, unreadable="accountId is missing")
    assert messages(unread) == [
        "The stack's settings cannot be read (accountId is missing), so that nothing can be checked: correct "
        "Pulumi.production.yaml."
    ]


def test_names_are_kebab_case_and_unique() -> None:
    names = [*(rule.name for rule in RULES), *(rule.name for rule in STACK_RULES)]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.replace("-", "").isalpha() for name in names)


def test_every_rule_of_a_row_is_a_rule_of_the_pack() -> None:
    rows = rows_of(SETTINGS).values()
    used = {name for row in rows for name in (row.rule, *row.rules.values())}
    used |= {denied.rule for row in rows for each in row.documents.values() for denied in each.denied}
    assert used <= {rule.name for rule in RULES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates its own older names
@pytest.mark.parametrize("token", [value for name, value in vars(types).items() if name.isupper()])
def test_every_resource_type_is_one_of_the_installed_provider_sdk(token: str) -> None:
    _, module, name = token.split(":")
    assert getattr(importlib.import_module("pulumi_aws." + module.split("/")[0]), name).pulumi_type == token
