"""The program, run to its end: which resources it asks for, how they are kept, and what the stack tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import installation
from components.policies.stack import key_policy_of, policies_of
from components.settings import Outputs, Settings
from tests.components.configurations import (
    ACCOUNT,
    ADMINISTRATOR,
    CONFIG,
    CONFIGURATIONS,
    EXISTING_ROLE,
    EXISTING_USER,
    IAM,
    ORGANIZATION_TRAIL,
    as_text,
)

KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VARIABLES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
ROLE_ARN = f"{IAM}:role/eonpro-app-role"
USER_ARN = f"{IAM}:user/eonpro-app-user"

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
REPLICA = "aws:kms/replicaKey:ReplicaKey"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"

USER = "aws:iam/user:User"

Run = Callable[..., Any]
Recorded = Callable[[str], Any]


@pytest.fixture(scope="module")
def vercel(recorded: Recorded) -> Any:
    return recorded("vercel")


def _phi_key(recording: Any) -> Any:
    return recording.called(KEY, "phi-key")


def _principals(recording: Any, sid: str) -> list[str]:
    statements = _phi_key(recording).policy["Statement"]
    return [arn for one in statements if one["Sid"] == sid for arn in one["Principal"]["AWS"]]


def test_the_key_is_symmetric_rotated_and_slow_to_delete(vercel: Any) -> None:
    inputs = _phi_key(vercel).inputs
    assert inputs["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
    assert inputs["keyUsage"] == "ENCRYPT_DECRYPT"
    assert inputs["description"] == "EONPRO PHI encryption key for HIPAA compliance"
    assert (inputs["enableKeyRotation"], inputs["rotationPeriodInDays"]) == (True, 365)
    assert inputs["deletionWindowInDays"] == 30
    assert "multiRegion" not in inputs


def test_another_rotation_period_is_no_other_change(run_program: Run, vercel: Any) -> None:
    changed = run_program(rotationPeriodDays=180)
    before = {one.urn: one.inputs for one in vercel.resources}
    differing = [one for one in changed.resources if before[one.urn] != one.inputs]
    assert [(one.type, one.name) for one in differing] == [(KEY, "phi-key")]
    key = differing[0].inputs
    assert key["rotationPeriodInDays"] == 180
    assert {**key, "rotationPeriodInDays": 365} == before[differing[0].urn]


@pytest.mark.parametrize(
    ("name", "users", "before"),
    [
        ("vercel", [ROLE_ARN], {ROLE}),
        ("vercel-user", [USER_ARN], {USER}),
        ("vercel-user-and-ecs", [ROLE_ARN, USER_ARN], {ROLE, USER}),
        ("eks-irsa", [ROLE_ARN], {ROLE}),
        ("existing-role", [EXISTING_ROLE], set()),
        ("existing-user", [EXISTING_USER], set()),
    ],
)
def test_the_key_s_policy_names_the_principals_and_waits_for_those_that_are_made(
    recorded: Recorded, name: str, users: list[str], before: set[str]
) -> None:
    recording = recorded(name)
    assert _principals(recording, "Allow use of the key for EONPRO") == users
    assert _principals(recording, "Allow administration of the key") == [ADMINISTRATOR]
    assert _phi_key(recording).depends_on == before


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_key_s_policy_is_the_one_that_is_judged_before_the_run(recorded: Recorded, name: str) -> None:
    config = {**CONFIG, **{f"eonpro-kms:{key}": value for key, value in CONFIGURATIONS[name].items()}}
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    settings = Settings.from_config({key: None if value == "null" else value for key, value in told.items()})
    expected = key_policy_of(settings)
    recording = recorded(name)
    assert _phi_key(recording).policy == expected
    assert [replica.policy for replica in recording.all(REPLICA)] == [expected] * len(settings.replica_regions)


def test_each_replica_has_policy_alias_tags_and_the_longest_window(recorded: Recorded) -> None:
    recording = recorded("replicas")
    primary = _phi_key(recording)
    assert primary.inputs["multiRegion"] is True
    for region in ("eu-west-1", "us-west-2"):
        replica = recording.called(REPLICA, f"phi-key-{region}")
        assert replica.inputs["primaryKeyArn"] == KEY_ARN
        assert (replica.inputs["region"], replica.inputs["deletionWindowInDays"]) == (region, 30)
        for same in ("policy", "tags", "description"):
            assert replica.inputs[same] == primary.inputs[same]
        alias = recording.called(ALIAS, f"phi-key-{region}")
        assert (alias.inputs["region"], alias.inputs["name"]) == (region, "alias/eonpro-phi-key")
        assert REPLICA in alias.depends_on


def test_the_application_may_use_each_replica_and_its_tasks_read_the_variables_in_each_region(
    recorded: Recorded,
) -> None:
    recording = recorded("replicas")
    (use,) = recording.named("EONPROKMSAccess").policy["Statement"]
    assert use["Resource"] == [KEY_ARN, *(KEY_ARN.replace("us-east-1", one) for one in ("eu-west-1", "us-west-2"))]
    (reading,) = recording.named("EONPROParameterAccess").policy["Statement"]
    regions = [arn.split(":")[3] for arn in reading["Resource"]]
    assert regions == [region for region in ("us-east-1", "eu-west-1", "us-west-2") for _ in range(3)]
    trust = json.loads(recording.named("eonpro-app-role").inputs["assumeRolePolicy"])
    sources = next(one for one in trust["Statement"] if one["Sid"] == "TrustEcsTasks")["Condition"]["ArnLike"]
    assert [arn.split(":")[3] for arn in sources["aws:SourceArn"]] == ["us-east-1", "eu-west-1", "us-west-2"]


TOLD = {
    "keyArn": KEY_ARN,
    "keyId": "1234abcd-12ab-34cd-56ef-1234567890ab",
    "aliasName": "alias/eonpro-phi-key",
    "appPolicyArn": f"{IAM}:policy/EONPROKMSAccess",
    "appPrincipalArn": ROLE_ARN,
    "trailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail",
    "trailBucket": f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1",
    "parameterPrefix": "/eonpro/production",
    "programVersion": installation.version(),
}
PARAMETERS = [
    {"name": name, "valueFrom": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/{name}"}
    for name in VARIABLES
]
HASH_KEY = {
    "name": "ENCRYPTED_PHI_HASH_KEY",
    "valueFrom": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/ENCRYPTED_PHI_HASH_KEY",
}
OPTIONAL = [
    {"name": name, "valueFrom": HASH_KEY["valueFrom"].replace("ENCRYPTED_PHI_HASH_KEY", name)}
    for name in (
        "ENCRYPTED_PHI_KEY_CHECK_VALUE",
        "ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE",
        "ENCRYPTED_PHI_KEYS_FOR_READING",
        "ENCRYPTED_PHI_HASH_KEYS_FOR_READING",
    )
]
SECRETS = [
    {"name": name, "valueFrom": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:/eonpro/production/{name}"}
    for name in VARIABLES
]
SECRETS_ROLE = {"secretsRoleArn": f"{IAM}:role/eonpro-secrets-role"}
OUTPUTS: dict[str, dict[str, Any]] = {
    "vercel": {},
    "vercel-user": {"appPrincipalArn": USER_ARN, "appUserArn": USER_ARN},
    "vercel-user-and-ecs": {"appUserArn": USER_ARN, "taskSecrets": PARAMETERS},
    "vercel-and-ecs": {"taskSecrets": PARAMETERS},
    "ecs": {"taskSecrets": PARAMETERS},
    "ecs-secrets-manager": {"taskSecrets": SECRETS},
    "ecs-existing-execution-role": {"taskSecrets": PARAMETERS},
    "eks-pod-identity": SECRETS_ROLE,
    "eks-irsa": SECRETS_ROLE,
    "eks-secrets-manager": SECRETS_ROLE,
    "every-target": {"appUserArn": USER_ARN, "taskSecrets": [*PARAMETERS, HASH_KEY, *OPTIONAL], **SECRETS_ROLE},
    "replicas": {
        "taskSecrets": PARAMETERS,
        "replicaKeyArns": [KEY_ARN.replace("us-east-1", region) for region in ("eu-west-1", "us-west-2")],
    },
    "documents": {"taskSecrets": PARAMETERS, "documentsKeyArn": KEY_ARN.replace("1234abcd", "9012cdef")},
    "existing-role": {"appPrincipalArn": EXISTING_ROLE},
    "existing-user": {"appPrincipalArn": EXISTING_USER},
    "boundary": {"appUserArn": USER_ARN, "taskSecrets": PARAMETERS},
    "existing-trail": {"trailArn": ORGANIZATION_TRAIL, "trailBucket": "organization-logs"},
    "adopted": {"trailBucket": "clinic-logs"},
    "adopted-kept-as-found": {"trailBucket": "clinic-logs"},
}


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS.keys() - {"staging"}))
def test_the_stack_tells_exactly_what_other_programs_rely_on(recorded: Recorded, name: str) -> None:
    told = recorded(name).stack_outputs
    assert told == {**TOLD, **OUTPUTS.get(name, {})}
    # They are what the wizard reads, and nothing of it is empty.
    assert Outputs.read(told).key_arn == KEY_ARN
    assert all(told.values())


def test_another_environment_shares_no_name_with_production(recorded: Recorded) -> None:
    def names(recording: Any) -> set[str]:
        # Some names are found inside of another thing only: of a role's policy, of a rule's target.
        return {
            one.inputs[field]
            for one in recording.resources
            for field in ("name", "bucket")
            if field in one.inputs and one.type != ROLE_POLICY
        }

    production, staging = recorded("vercel-and-ecs"), recorded("staging")
    assert names(staging) == {f"{name}-staging" for name in names(production)}
    assert staging.stack_outputs["parameterPrefix"] == "/eonpro/staging"


def test_in_another_partition_every_arn_of_every_policy_is_of_that_partition(run_program: Run) -> None:
    recording = run_program(
        deployTargets=["ecs", "eks"],
        eksCluster="clinic",
        multiRegion=True,
        replicaRegions=["us-gov-east-1"],
        cloudwatchLogs=True,
        exclusiveUse=True,
        administrators=[f"arn:aws-us-gov:iam::{ACCOUNT}:role/admin"],
        **{"aws:region": "us-gov-west-1"},
    )
    documents = [
        (one.urn, str(one.inputs[field]))
        for one in recording.resources
        for field in ("policy", "assumeRolePolicy", "eventPattern")
        if field in one.inputs
    ]
    # ARNs that the recording itself makes up are of the plain partition; these the program writes.
    made_up = re.compile(rf"arn:aws:(kms:[a-z0-9-]+:{ACCOUNT}:key/|iam::{ACCOUNT}:role/eonpro-app-role)")
    assert len(documents) > 10
    assert [urn for urn, text in documents if "arn:aws:" in made_up.sub("", text)] == []


def test_faults_of_the_configuration_are_told_together_each_with_its_command(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError) as refusal:
        run_program(accountId="12", rotationPeriodDays=7, administrators=["everybody"])
    message = str(refusal.value)
    assert message.startswith("The stack production cannot be built from its configuration:")
    assert "'12' is not an AWS account id" in message
    assert "'everybody' is not the ARN of an IAM user or role" in message
    assert "pulumi config set --stack production eonpro-kms:accountId VALUE" in message
    assert "pulumi config set --stack production eonpro-kms:rotationPeriodDays VALUE" in message
    assert "pulumi config set --stack production --path 'eonpro-kms:administrators[N]' VALUE" in message


def test_the_root_user_as_administrator_and_a_removed_key_are_refused_with_their_commands(run_program: Run) -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(pulumi.RunError) as refusal:
        run_program(administrators=[root], viaServices=["ssm.us-east-1.amazonaws.com"])
    message = str(refusal.value)
    assert f"administrators: {root!r} is the account's root user" in message
    assert "pulumi config set --stack production --path 'eonpro-kms:administrators[N]' VALUE" in message
    assert "pulumi config rm --stack production eonpro-kms:viaServices" in message


def test_without_a_region_the_provider_s_own_key_is_advised(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="pulumi config set --stack production aws:region VALUE"):
        run_program(**{"aws:region": None})


def test_faults_between_settings_advise_no_key_that_does_not_exist(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="vercelTeam") as refusal:
        run_program(vercelTeam=None)
    assert "pulumi config set" not in str(refusal.value)


def test_nothing_is_registered_when_the_configuration_is_refused(run_program: Run, recording: Any) -> None:
    with pytest.raises(pulumi.RunError):
        run_program(recording, accountId=None)
    assert recording.resources == []


@pytest.mark.parametrize(
    ("change", "key", "own"),
    [({"application": "clinic"}, "application", "eonpro"), ({"environment": "staging"}, "environment", "production")],
)
def test_a_stack_that_was_built_under_other_names_is_refused_before_any_resource(
    run_program: Run, recording: Any, change: dict[str, str], key: str, own: str
) -> None:
    built = {"trailBucket": f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1-an"}
    with pytest.raises(pulumi.RunError, match="an update would replace what is in use") as refusal:
        run_program(recording, **built, **change)
    assert f"pulumi config set --stack production eonpro-kms:{key} {own}" in str(refusal.value)
    assert recording.resources == []
    run_program(**built)


@pytest.mark.parametrize("allowed", [None, ["999999999999"]])
def test_an_account_that_the_provider_may_confuse_is_warned_of(run_program: Run, allowed: Any) -> None:
    (warning,) = run_program(**{"aws:allowedAccountIds": allowed}).log
    assert f"--path 'aws:allowedAccountIds[0]' {ACCOUNT}" in warning


def test_a_good_configuration_is_not_commented_on(vercel: Any) -> None:
    assert vercel.log == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_policy_is_written_that_nobody_judged(recorded: Recorded, name: str) -> None:
    settings = Settings.from_config(
        as_text({**CONFIG, **{f"eonpro-kms:{key}": value for key, value in CONFIGURATIONS[name].items()}})
    )
    arns = [KEY_ARN.replace("us-east-1", region) for region in settings.regions]
    judged = [policy.document for policy in policies_of(settings, key_arns=arns)]

    written = [
        json.loads(resource.inputs[of])
        for resource in recorded(name).resources
        for of in ("policy", "assumeRolePolicy")
        if of in resource.inputs and of not in resource.ignored
    ]

    assert [document for document in written if document not in judged] == []
    assert [document for document in judged if document not in written] == []
