"""An account that was created manually: what stands against its adoption, what differs, what the settings take in."""

from __future__ import annotations

import copy
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from components import policies
from components.policies.stack import application_trust_of, key_policy_of
from components.settings import ImportGroup, ResourceKind, Settings, Target
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    KEY,
    KEY_ID,
    OTHER_ACCOUNT,
    OTHER_KEY,
    SECOND,
    STORED_KEY,
    TRAIL,
    key_fact,
    outputs_of,
    settings,
    trail_fact,
    wrapped,
)
from wizard.account.comparison import differences
from wizard.account.comparison.differences import differences_of
from wizard.account.comparison.trail import sharers
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict
from wizard.core.models.account import DiscoveredDataKey, DiscoveredResource, DiscoveredSetup, Retention
from wizard.core.models.delivery import AppVariables, StoredDataKey
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.models.stack import StackState
from wizard.core.models.verification import AppCredentials, ChildResult, CredentialsSearch
from wizard.setup.importing import data_key, discovery
from wizard.setup.importing.data_key import data_key_obstacle, imported_data_key
from wizard.setup.importing.obstacles import obstacles, repair_conflicts
from wizard.terminal.screen import Screen

BUCKET = "eonpro-cloudtrail-logs"
ALIAS = "alias/eonpro-phi-key"
ATTACHMENT = f"eonpro-app-role/{APP_POLICY}"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
EMPTY = StackState(exists=False, has_key=False)
VERCEL = settings()
OTHER_TRAIL = TRAIL.replace("eonpro-audit-trail", "billing")


def allow(**statement: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **statement}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


GUIDE_KEY_POLICY = document(
    allow(
        Sid="Allow administration of the key",
        Principal={"AWS": ADMIN},
        Action=[f"kms:{verb}*" for verb in "Create Describe Enable List Put Update Revoke Disable Get Delete".split()]
        + ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"],
        Resource="*",
    ),
    allow(
        Sid="Allow use of the key for EONPRO",
        Principal={"AWS": APP},
        Action=[
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:DescribeKey",
        ],
        Resource="*",
    ),
)
GUIDE_POLICY = document(allow(Action=["kms:Decrypt", "kms:GenerateDataKey"], Resource=KEY))


def trust(**claims: str) -> dict[str, Any]:
    conditions = {f"oidc.vercel.com/acme:{claim}": value for claim, value in claims.items()}
    return document(
        allow(
            Principal={"Federated": PROVIDER},
            Action="sts:AssumeRoleWithWebIdentity",
            Condition={"StringEquals": conditions},
        )
    )


GUIDE_TRUST = trust(aud="https://vercel.com/acme", sub="owner:acme:project:portal:environment:production")


def bucket_policy(*more: dict[str, Any], trail: str = TRAIL) -> dict[str, Any]:
    statements = policies.trail_delivery_statements(bucket=BUCKET, account_id=ACCOUNT, trail_arn=trail)
    return document(*statements, *more)


THINGS = (
    DiscoveredResource(thing=ResourceKind.KEY, id=KEY_ID, arn=KEY),
    DiscoveredResource(thing=ResourceKind.ALIAS, id=ALIAS, arn=ALIAS),
    DiscoveredResource(thing=ResourceKind.APPLICATION_ROLE, id="eonpro-app-role", arn=APP),
    DiscoveredResource(thing=ResourceKind.APPLICATION_POLICY, id=APP_POLICY, arn=APP_POLICY),
    DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=ATTACHMENT, arn=ATTACHMENT),
    DiscoveredResource(thing=ResourceKind.TRAIL, id=TRAIL, arn=TRAIL),
    DiscoveredResource(thing=ResourceKind.BUCKET, id=BUCKET, arn=BUCKET),
    DiscoveredResource(thing=ResourceKind.BUCKET_POLICY, id=BUCKET, arn=BUCKET),
    DiscoveredResource(thing=ResourceKind.BUCKET_VERSIONING, id=BUCKET, arn=BUCKET),
)
BARE = Retention(
    expires_after_days=None,
    versioned=False,
    public_access_blocked=False,
    encrypted=True,
    tls_only=False,
    access_logged=False,
)
GUIDE = DiscoveredSetup(
    things=THINGS,
    key=key_fact(),
    key_policy=GUIDE_KEY_POLICY,
    role_arn=APP,
    role_trust=GUIDE_TRUST,
    policy_arn=APP_POLICY,
    policy=GUIDE_POLICY,
    trail=trail_fact(bucket=BUCKET, multi_region=False, validation=False, kms_events=True),
    retention=BARE,
    bucket_policy=bucket_policy(),
)
"""An account in which somebody followed the guide to the letter."""

AS_WANTED = replace(
    GUIDE,
    key_policy=key_policy_of(VERCEL),
    role_trust=application_trust_of(VERCEL),
    policy=policies.application_policy(key_arns=[KEY]),
    trail=trail_fact(bucket=BUCKET, kms_events=True),
    retention=Retention(
        expires_after_days=2557,
        versioned=True,
        public_access_blocked=True,
        encrypted=True,
        lock="GOVERNANCE",
        lock_days=2557,
        tls_only=True,
        access_logged=True,
    ),
    bucket_policy=policies.trail_bucket_policy(bucket=BUCKET, account_id=ACCOUNT, trail_arn=TRAIL),
)
"""The same account as the stack would have it, but for the key of the logs."""
WITHOUT_TRAIL_KEY = settings(trail_key=False)


def whats(discovered: DiscoveredSetup, wanted: Settings = VERCEL, state: StackState = EMPTY) -> list[str]:
    return [problem.what for problem in obstacles(discovered, wanted, state)]


def told(discovered: DiscoveredSetup, part: ImportGroup, wanted: Settings = VERCEL) -> list[tuple[str, str, str]]:
    return [(each.what, each.actual, each.desired) for each in differences_of(discovered, wanted) if each.part is part]


# --- what stands against it


PATH_ROLE, PATH_POLICY = APP.replace("role/", "role/clinic/"), APP_POLICY.replace("policy/", "policy/clinic/")
MULTI = KEY.replace(KEY_ID, f"mrk-{KEY_ID.replace('-', '')}")
TRAIL_ABROAD, TRAIL_OF_OTHERS = TRAIL.replace("us-east-1", "eu-west-1"), TRAIL.replace(ACCOUNT, OTHER_ACCOUNT)
AS_IT_IS = "use the trail as it is: --trail {} --trail-bucket " + BUCKET
WITHOUT_BUCKET = tuple(each for each in THINGS if not each.thing.startswith("bucket"))
OLD_BUCKET = (DiscoveredResource(thing=ResourceKind.BUCKET, id="clinic.logs", arn="clinic.logs"),)
OBSTACLES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "pending deletion": ({"key": key_fact(state="PendingDeletion")}, {},
        f"{ALIAS} is going to be deleted (PendingDeletion)", "aws kms cancel-key-deletion"),
    "disabled": ({"key": key_fact(state="Disabled")}, {}, f"{ALIAS} is disabled", "aws kms enable-key"),
    "without its material": ({"key": key_fact(state="PendingImport")}, {}, "is not enabled: PendingImport",
        "aws kms describe-key"),
    "an asymmetric key": ({"key": key_fact(spec="RSA_4096", usage="ENCRYPT_DECRYPT")}, {}, "of the spec RSA_4096",
        "aws kms update-alias"),
    "a key for MACs": ({"key": key_fact(spec="HMAC_256", usage="GENERATE_VERIFY_MAC")}, {}, "for GENERATE_VERIFY_MAC",
        "aws kms update-alias"),
    "another application's": ({"key": key_fact(tags={"Application": "Billing"})}, {}, "Application=“Billing”",
        "aws kms tag-resource"),
    "unread tags": ({"key": key_fact(tags=None)}, {}, "the tags of the key", "aws kms list-resource-tags"),
    "another environment's": ({"key": key_fact(tags={"Environment": "Staging"})}, {}, "Environment=“Staging”",
        "--environment NAME"),
    "another account's": ({"key": key_fact(arn=KEY.replace(ACCOUNT, OTHER_ACCOUNT))}, {}, "another account",
        "--account ID"),
    "a multi-Region key": ({"key": key_fact(arn=MULTI)}, {}, "is a multi-Region key", "--multi-region yes"),
    "a key of one Region": ({}, {"multi_region": True},
        "is a key of a single Region, and the settings want a multi-Region key", "--multi-region no"),
    "foreign key material": ({"key": key_fact(origin="EXTERNAL")}, {}, "key material from outside KMS (EXTERNAL)",
        "--environment NAME"),
    "a replica": ({"key": key_fact(replica_of=KEY.replace("us-east-1", "eu-west-1"))}, {}, "is a replica",
        "--region eu-west-1"),
    "a role with a path": ({"role_arn": PATH_ROLE}, {}, f"the role {PATH_ROLE} has a path",
        f"--app-principal {PATH_ROLE}"),
    "a policy with a path": ({"policy_arn": PATH_POLICY}, {}, f"the policy {PATH_POLICY} has a path",
        f"aws iam list-entities-for-policy --policy-arn {PATH_POLICY}"),
    "a trail of an organization": ({"trail": trail_fact(bucket=BUCKET, organization=True)}, {},
        "belongs to an organization", AS_IT_IS.format(TRAIL)),
    "a trail of another account": ({"trail": trail_fact(bucket=BUCKET, arn=TRAIL_OF_OTHERS)}, {},
        "belongs to an organization", AS_IT_IS.format(TRAIL_OF_OTHERS)),
    "a trail of another Region": ({"trail": trail_fact(bucket=BUCKET, arn=TRAIL_ABROAD)}, {},
        "has its home in eu-west-1", AS_IT_IS.format(TRAIL_ABROAD)),
    "a bucket of somebody else's": ({"things": WITHOUT_BUCKET}, {},
        f"the bucket {BUCKET}, which is not in this account, or does not exist", "aws cloudtrail update-trail"),
    "a bucket that no settings can name": ({"things": OLD_BUCKET}, {}, "the bucket clinic.logs cannot be imported: "
        "'clinic.logs' is not an S3 bucket name: 3 to 63 lower-case letters, digits and hyphens", ""),
    "a bucket of another Region": ({"bucket_region": "eu-west-1"}, {}, f"the bucket {BUCKET} is in eu-west-1",
        f"--trail {TRAIL}"),
    "logs under a disabled key": ({"logs_key": key_fact(OTHER_KEY, state="Disabled")}, {}, "not enabled: Disabled",
        "aws kms enable-key"),
    "logs under a key that ends": ({"logs_key": key_fact(OTHER_KEY, state="PendingDeletion")}, {}, "PendingDeletion",
        "cancel-key-deletion"),
}  # fmt: skip


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_cannot_be_imported_is_told_with_the_next_command(obstacle) -> None:
    changes, wanted, what, next_ = OBSTACLES[obstacle]
    (problem,) = obstacles(replace(GUIDE, **changes), settings(**wanted), EMPTY)
    assert what in problem.what and next_ in problem.next and problem.why
    assert problem.exit_code == 2 or "--multi-region" not in next_


def test_a_stack_that_has_its_key_takes_no_other() -> None:
    built = StackState(exists=True, has_key=True, owned=(OTHER_KEY,))
    assert "the stack has another key already" in whats(GUIDE, state=built)[0]


def test_what_is_the_stacks_own_is_no_resource_to_import() -> None:
    """Imported, it would be "kept as found", and no update would change it any more."""
    own = StackState(exists=True, has_key=True, owned=(KEY, KEY_ID, ALIAS, APP, APP_POLICY))
    left = {resource.thing for resource in discovery.without_own(GUIDE, VERCEL, own).things}
    assert left and not left & {
        ResourceKind.KEY,
        ResourceKind.ALIAS,
        ResourceKind.APPLICATION_ROLE,
        ResourceKind.APPLICATION_POLICY,
        ResourceKind.POLICY_ATTACHMENT,
    }
    assert discovery.without_own(GUIDE, VERCEL, EMPTY) == GUIDE


# --- the differences


def test_an_account_as_the_stack_would_have_it_has_no_difference() -> None:
    assert differences_of(AS_WANTED, WITHOUT_TRAIL_KEY) == ()


def test_a_denial_that_the_stack_would_add_is_told_with_its_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = copy.deepcopy(key_policy_of(VERCEL))
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}
    denial = {"Effect": "Deny", "Principal": {"AWS": APP}, "Action": "kms:Decrypt", "Resource": "*"}
    wanted["Statement"].append({**denial, "Condition": elsewhere})
    monkeypatch.setattr(differences, "key_policy_of", lambda settings: wanted)
    ((what, found, shall),) = told(AS_WANTED, ImportGroup.KEY)
    assert (what, found) == ("key policy, application role/eonpro-app-role", "not denied")
    assert shall.startswith("denied Decrypt (if aws:") and "vpce-01234567" in shall


def test_the_guides_key_policy_is_told_statement_by_statement() -> None:
    assert told(GUIDE, ImportGroup.KEY) == [
        ("key policy, IAM", "no delegation to IAM", "IAM policies have effect on the key"),
        (
            "key policy, administrator role/admin",
            "may CreateGrant, ScheduleKeyDeletion, UpdatePrimaryRegion",
            "may not",
        ),
        (
            "key policy, administrator role/admin",
            "may not",
            "may GenerateDataKeyWithoutPlaintext, RotateKeyOnDemand, TagResource, UntagResource",
        ),
        ("key policy, application role/eonpro-app-role", "may Encrypt, GenerateDataKeyWithoutPlaintext", "may not"),
        ("key policy, deletion", "administrators may schedule it", "nobody may schedule it"),
        (
            "key policy, a key in use",
            "those whom IAM allows may disable it",
            "nobody may disable it for 90 days after a use",
        ),
    ]


DENIES = {"Effect": "Deny", "Principal": {"AWS": ADMIN}, "Action": "kms:DisableKey", "Resource": "*"}


def decrypts(principal: Any) -> dict[str, Any]:
    return allow(Principal=principal, Action="kms:Decrypt", Resource="*")


@pytest.mark.parametrize(
    ("statement", "who", "actual", "desired"),
    [
        (decrypts({"AWS": SECOND}), "user/second", "may Decrypt", "not named"),
        (allow(Principal="*", Action="kms:DescribeKey", Resource="*"), "everybody", "may DescribeKey", "not named"),
        (decrypts({"AWS": OTHER_ACCOUNT}), f"the account {OTHER_ACCOUNT}", "may Decrypt", "not named"),
        (decrypts({"AWS": "AIDAEXAMPLE"}), "AIDAEXAMPLE, which is deleted", "may Decrypt", "not named"),
        (DENIES, "administrator role/admin", "denied DisableKey", "no such denial"),
    ],
)
def test_a_statement_that_the_stack_would_take_away_is_told(statement, who, actual, desired) -> None:
    policy = copy.deepcopy(key_policy_of(VERCEL))
    policy["Statement"].append(statement)
    assert told(replace(AS_WANTED, key_policy=policy), ImportGroup.KEY) == [(f"key policy, {who}", actual, desired)]


def test_no_difference_of_a_key_policy_goes_untold() -> None:
    """A statement on another resource than the key grants nothing, but an update takes it away."""
    policy = copy.deepcopy(key_policy_of(VERCEL))
    policy["Statement"].append(allow(Principal={"AWS": SECOND}, Action="kms:Decrypt", Resource=OTHER_KEY))
    assert [what for what, _, _ in told(replace(AS_WANTED, key_policy=policy), ImportGroup.KEY)] == ["key policy"]
    # Under its own ARN it is the key.
    policy["Statement"][-1]["Resource"] = KEY
    assert told(replace(AS_WANTED, key_policy=policy), ImportGroup.KEY) == [
        ("key policy, user/second", "may Decrypt", "not named")
    ]


def test_rotation_description_and_tags_are_told() -> None:
    plain = key_fact(rotation_enabled=False, description="my key", tags={"Owner": "ada", "Application": "EONPRO"})
    assert told(replace(AS_WANTED, key=plain), ImportGroup.KEY) == [
        ("key, rotation", "off", "on"),
        ("key, description", "my key", "EONPRO PHI encryption key for HIPAA compliance"),
        ("key, tag Environment", "none", "Production"),
        ("key, tag Owner", "ada", "none"),
    ]
    unread = replace(AS_WANTED, key=key_fact(tags=None))
    assert told(unread, ImportGroup.KEY) == [("key, tags", "not known", "Application=EONPRO, Environment=Production")]
    slow = replace(AS_WANTED, key=key_fact(rotation_period_days=700))
    assert told(slow, ImportGroup.KEY) == [("key, rotation", "every 700 days", "every 365 days")]


SUBJECT = "owner:acme:project:portal:environment:production"


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        (trust(aud="https://vercel.com/acme"), ("role trust, oidc.vercel.com/acme, sub", "any", SUBJECT)),
        (trust(sub=SUBJECT), ("role trust, oidc.vercel.com/acme, aud", "any", "https://vercel.com/acme")),
        (
            trust(aud="https://vercel.com/acme", sub=SUBJECT.replace("production", "preview")),
            ("role trust, oidc.vercel.com/acme, sub", SUBJECT.replace("production", "preview"), SUBJECT),
        ),
        (
            document(*GUIDE_TRUST["Statement"], allow(Principal={"AWS": ROOT}, Action="sts:AssumeRole")),
            (f"role trust, {ACCOUNT}", "may assume the role", "may not"),
        ),
        (
            document(*GUIDE_TRUST["Statement"], allow(Principal="*", Action="sts:AssumeRole")),
            ("role trust, everybody", "may assume the role", "may not"),
        ),
        (document(), ("role trust, oidc.vercel.com/acme", "may not assume the role", "may assume it")),
    ],
)
def test_a_trust_that_is_not_the_stacks_is_told(found, difference) -> None:
    assert told(replace(AS_WANTED, role_trust=found), ImportGroup.APPLICATION_ROLE) == [difference]


def test_the_trust_of_ecs_without_its_source_is_told() -> None:
    ecs = settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None)
    wide = document(allow(Principal={"Service": "ecs-tasks.amazonaws.com"}, Action="sts:AssumeRole"))
    assert told(replace(AS_WANTED, role_trust=wide), ImportGroup.APPLICATION_ROLE, ecs) == [
        ("role trust, ecs-tasks, aws:SourceAccount", "any", ACCOUNT),
        ("role trust, ecs-tasks, aws:SourceArn", "any", f"arn:aws:ecs:us-east-1:{ACCOUNT}:*"),
    ]


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        (GUIDE_POLICY, ("application policy", "no such statement", "allows DescribeKey")),
        (
            document(allow(Action=[*policies.APPLICATION_ACTIONS, "kms:Encrypt"], Resource=KEY)),
            ("application policy", "allows Encrypt", "no such statement"),
        ),
        (
            document(*policies.application_statements(key_arns=[KEY]), allow(Action="kms:Decrypt", Resource="*")),
            ("application policy, *", "allows Decrypt", "no such statement"),
        ),
        (
            document(*policies.application_statements(key_arns=[KEY]), allow(Action="s3:*", Resource="*")),
            ("application policy, *", "allows s3:*", "no such statement"),
        ),
    ],
)
def test_a_policy_that_grants_less_or_more_is_told(found, difference) -> None:
    assert told(replace(AS_WANTED, policy=found), ImportGroup.APPLICATION_POLICY) == [difference]


def test_a_policy_that_is_not_attached_is_told() -> None:
    loose = replace(
        AS_WANTED, things=tuple(each for each in THINGS if each.thing is not ResourceKind.POLICY_ATTACHMENT)
    )
    assert told(loose, ImportGroup.APPLICATION_POLICY) == [
        ("application policy", "not attached to role/eonpro-app-role", "attached")
    ]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"logging": False}, ("trail, logging", "stopped", "started")),
        ({"logging": None}, ("trail, logging", "not known", "started")),
        ({"global_events": False}, ("trail, global services", "left out", "recorded")),
        ({"kms_events": False}, ("trail, events of KMS", "left out", "recorded, reads and writes")),
        ({"key_arn": OTHER_KEY}, ("trail, key of the logs", "a key", "S3's own")),
    ],
)
def test_a_trail_that_records_less_is_told(changes, difference) -> None:
    found = replace(AS_WANTED, trail=trail_fact(bucket=BUCKET, **changes))
    assert told(found, ImportGroup.TRAIL, WITHOUT_TRAIL_KEY) == [difference]


def test_the_guides_bucket_is_told() -> None:
    assert told(GUIDE, ImportGroup.BUCKET) == [
        ("bucket policy, plain HTTP", "not denied", "denied"),
        ("bucket policy, TLS below 1.2", "not denied", "denied"),
        ("bucket, public access", "not blocked", "blocked"),
        ("bucket, versions", "not kept", "kept"),
        ("bucket, logs expire", "never", "after 2557 days"),
        ("bucket, Object Lock", "none", "GOVERNANCE, 2557 days"),
        ("bucket, access log", "none", "kept"),
    ]


def test_a_bucket_open_to_any_trail_is_told() -> None:
    unbound = document(
        *policies.secure_transport_statements(bucket=BUCKET),
        allow(
            Principal={"Service": "cloudtrail.amazonaws.com"},
            Action="s3:PutObject",
            Resource=f"arn:aws:s3:::{BUCKET}/AWSLogs/{ACCOUNT}/*",
        ),
    )
    assert told(replace(AS_WANTED, bucket_policy=unbound), ImportGroup.BUCKET) == [
        ("bucket policy, delivery", "open to any trail", "this trail's only")
    ]


AUDITOR = allow(Principal={"AWS": SECOND}, Action="s3:GetObject", Resource=f"arn:aws:s3:::{BUCKET}/*")


WRITES = allow(Principal={"Service": "delivery.logs.amazonaws.com"}, Action="s3:PutObject", Resource="*")
OF_THEIRS = allow(
    Principal={"Service": "cloudtrail.amazonaws.com"},
    Action="s3:PutObject",
    Resource=f"arn:aws:s3:::{BUCKET}/AWSLogs/{OTHER_ACCOUNT}/*",
)


@pytest.mark.parametrize(
    ("policy", "who"),
    [
        (bucket_policy(*bucket_policy(trail=OTHER_TRAIL)["Statement"]), (OTHER_TRAIL,)),
        (bucket_policy(AUDITOR), (SECOND,)),
        (bucket_policy(OF_THEIRS), (f"the trail of {OTHER_ACCOUNT}",)),
        (bucket_policy(WRITES), ("delivery.logs.amazonaws.com",)),
    ],
)
def test_whoever_shares_the_bucket_is_told_first_and_loudly(policy, who) -> None:
    shared = replace(GUIDE, bucket_policy=policy)
    assert sharers(shared, VERCEL) == who
    first = told(shared, ImportGroup.BUCKET)[0]
    assert first[0] == "bucket, SHARED" and "CUTS THIS OFF" in first[2]
    assert discovery.shared_groups(shared, VERCEL) == (ImportGroup.BUCKET,)
    assert obstacles(shared, VERCEL, EMPTY) == ()


# --- the table


def test_the_table_fits_80_columns_and_holds_every_word_of_it() -> None:
    shared = replace(GUIDE, bucket_policy=bucket_policy(*bucket_policy(trail=OTHER_TRAIL)["Statement"]))
    rows = discovery.table(differences_of(replace(shared, role_trust=trust()), VERCEL))
    out = io.StringIO()
    Screen(out=out, width=80, colour=False).table(rows, headings=discovery.HEADINGS)
    assert max(map(len, out.getvalue().splitlines())) <= 80
    letters = Counter("".join(out.getvalue().split()))
    assert letters == Counter("".join("".join(row) for row in (discovery.HEADINGS, *rows)).replace(" ", ""))


# --- the data key

ONE, TWO = wrapped("one"), wrapped("two")


def on_vercel(**changes: Any) -> DiscoveredDataKey:
    return DiscoveredDataKey(**{"wrapped": ONE, "exists": True, "key_arn": KEY, **changes})


HIDDEN = on_vercel(wrapped=None)
NONE = on_vercel(wrapped=None, exists=False, key_arn=None)


def stored_data_key(**changes: Any) -> StoredDataKey:
    return StoredDataKey(**{"parameter": STORED_KEY, "wrapped": ONE, "key_arn": KEY, "version": 1, **changes})


@pytest.mark.parametrize("key_arn", [KEY, KEY_ID, ALIAS, f"arn:aws:kms:us-east-1:{ACCOUNT}:{ALIAS}", f"{KEY}\n", None])
def test_a_data_key_of_the_adopted_key_is_taken_whatever_way_the_key_is_named(key_arn) -> None:
    assert data_key_obstacle(on_vercel(key_arn=key_arn), GUIDE, None) is None
    assert imported_data_key(on_vercel(key_arn=key_arn), None) == ONE


EXPORT, NO_ALIAS, OTHER_ENVIRONMENT = "export EONPRO_ENCRYPTED_PHI_KEY=", "no alias of this stack", "--environment NAME"
IN_STORE, NOTHING = replace(GUIDE, data_key=on_vercel(wrapped=TWO)), DiscoveredSetup()


@pytest.mark.parametrize(
    ("found", "discovered", "held", "given", "what", "next_"),
    [
        (on_vercel(key_arn=OTHER_KEY), GUIDE, None, None, f"names {OTHER_KEY}", "aws kms update-alias"),
        (on_vercel(key_arn=f"x{KEY}"), GUIDE, None, None, "names x", "aws kms update-alias"),
        (HIDDEN, GUIDE, None, None, "its value is not available", EXPORT),
        (replace(HIDDEN, claimed=ONE.fingerprint), GUIDE, None, TWO, ONE.fingerprint, EXPORT),
        (on_vercel(), IN_STORE, None, None, TWO.fingerprint, OTHER_ENVIRONMENT),
        (on_vercel(), GUIDE, None, TWO, "is not the one on Vercel", "unset EONPRO_ENCRYPTED_PHI_KEY"),
        (on_vercel(), NOTHING, None, None, NO_ALIAS, f"--target-key-id {KEY}"),
        (HIDDEN, NOTHING, None, ONE, NO_ALIAS, "aws kms create-alias"),
        (NONE, NOTHING, None, ONE, NO_ALIAS, "aws kms create-alias"),
        (on_vercel(), GUIDE, stored_data_key(wrapped=TWO), None, TWO.fingerprint, "--stack NAME"),
        (HIDDEN, GUIDE, stored_data_key(wrapped=TWO), ONE, TWO.fingerprint, "--stack NAME"),
        (on_vercel(), GUIDE, stored_data_key(key_arn=OTHER_KEY), None, f"by {OTHER_KEY}", "aws kms update-alias"),
    ],
)
def test_a_data_key_that_cannot_become_the_stacks_is_told(found, discovered, held, given, what, next_) -> None:
    problem = data_key_obstacle(found, discovered, held, entered=given)
    assert problem is not None and what in problem.what and next_ in problem.next and problem.why
    assert ONE.value not in repr(problem) and TWO.value not in repr(problem)


# --- the proof before the stored data key


class Application:
    """The application as the one prover of it: opens some data keys and refuses the others."""

    def __init__(self, *opens: WrappedDataKey, credentials: bool = True) -> None:
        self.asked: list[str] = []
        self._opens = opens
        self._found = AppCredentials(how="the test", access_key_id="a", secret_access_key="b") if credentials else None

    @property
    def application_credentials(self) -> Application:
        return self

    @property
    def are_configured(self) -> bool:
        return self._found is not None

    def app_credentials(self, principal_arn: str, *, container_first: bool = False) -> CredentialsSearch:
        self.asked.append(principal_arn)
        return CredentialsSearch(credentials=self._found)

    def prove(
        self,
        credentials: AppCredentials,
        batch: AppVariables,
        *,
        retry_seconds: float = 20.0,
        full: bool = False,
        reading: Sequence[WrappedDataKey] = (),
    ) -> ChildResult:
        proved = batch.wrapped in self._opens
        cause = "" if proved else "NotOurs"
        check_values = {batch.wrapped.fingerprint: CHECK_VALUE}
        return ChildResult(
            proved=proved,
            principal=APP,
            fingerprint=batch.wrapped.fingerprint,
            cause=cause,
            check_values=check_values if proved else {},
        )

    @property
    def key_rotation(self) -> Application:
        return self

    def versions(self, settings: Settings) -> tuple[DataKeyVersion, ...]:
        return ()


CHECK_VALUE = "0123456789abcdef"
"""Of the key that the application opens."""


def beforehand(application: Application, *, check_value: str | None = None) -> data_key.ImportVerification:
    both: Any = application
    return data_key.verify_before_storing(
        aws=both,
        prover=both,
        settings=VERCEL,
        outputs=outputs_of(VERCEL),
        targets=(Target.VERCEL,),
        wrapped=replace(ONE, check_value=check_value),
    )


def test_another_key_than_that_of_the_applications_own_check_value_is_not_stored() -> None:
    """The same key with one bit flipped, wrapped by the same KMS key: it opens as well."""
    assert beforehand(Application(ONE), check_value=CHECK_VALUE).wrapped.check_value == CHECK_VALUE
    with pytest.raises(DataKeyConflict, match="the application expects the key f{16}; it was not stored"):
        beforehand(Application(ONE), check_value="f" * 16)


def test_the_check_value_that_the_application_has_goes_with_the_key_that_is_entered() -> None:
    hidden = DiscoveredDataKey(wrapped=None, exists=True, key_arn=KEY, check_value=CHECK_VALUE)
    entered = data_key.imported_data_key(hidden, ONE)
    assert entered is not None and entered.check_value == CHECK_VALUE


def test_a_data_key_that_the_application_opens_is_proved() -> None:
    application = Application(ONE)
    assert beforehand(application).proved
    assert application.asked == [outputs_of(VERCEL).principal_of("vercel")]


def test_where_nobody_can_be_the_application_it_is_said() -> None:
    told = beforehand(Application(credentials=False))
    assert not told.proved and "without a verification" in told.message


# --- what no import could carry over, told together


def test_a_boundary_is_taken_away_by_no_repair_and_left_by_a_role_that_is_kept() -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    bounded = replace(GUIDE, role_boundary=boundary)
    (problem,) = repair_conflicts(bounded, VERCEL, ())
    assert problem.next.startswith(f"keep it: --permissions-boundary {boundary}")
    assert repair_conflicts(bounded, VERCEL, (ImportGroup.APPLICATION_ROLE,)) == ()
    assert repair_conflicts(bounded, settings(permissions_boundary_arn=boundary), ()) == ()


def test_a_trail_with_a_place_of_its_own_is_not_locked_out_of_a_repaired_bucket() -> None:
    placed = replace(GUIDE, trail=trail_fact(prefix="clinic"))
    (problem,) = repair_conflicts(placed, VERCEL, (ImportGroup.TRAIL,))
    assert "under clinic/" in problem.what and "both or neither" in problem.next
    assert (
        repair_conflicts(placed, VERCEL, ())
        == repair_conflicts(placed, VERCEL, (ImportGroup.TRAIL, ImportGroup.BUCKET))
        == ()
    )
    told = [each for each in differences_of(placed, VERCEL) if each.what == "trail, place of the logs"]
    assert [(each.actual, each.desired) for each in told] == [("under clinic/", "under AWSLogs/")]


def test_what_a_stack_left_beside_the_guides_things_is_taken_in_with_them() -> None:
    left = (
        DiscoveredResource(thing=ResourceKind.LOGS_KEY, id="1", arn=OTHER_KEY),
        DiscoveredResource(thing=ResourceKind.ACCESS_LOG_BUCKET, id="reads", arn="reads"),
        DiscoveredResource(thing=ResourceKind.ACCESS_LOG_BUCKET_POLICY, id="reads", arn="reads"),
    )
    found = replace(GUIDE, things=(*THINGS, *left))
    assert {"logs-key=1", "access-log-bucket=reads"} <= set(discovery.settings_with(VERCEL, found, ()).adopted)
    assert discovery.import_groups(DiscoveredSetup(things=left)) == ()
    # The bucket that is kept as found has no log of its reads, and so no bucket for it.
    kept = discovery.settings_with(VERCEL, found, (ImportGroup.BUCKET,)).adopted
    assert "logs-key=1" in kept and not [each for each in kept if each.startswith("access-log-")]
