"""The way of the data key to its targets, and the proof; over fakes that have no door to its plaintext."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components import policies
from components.settings import Outputs, Settings, Target
from tests.wizard.fakes.clients import (
    ADMIN,
    APP,
    APP_USER,
    CREDENTIALS,
    DENIED,
    KEY,
    MATERIAL,
    MULTI_KEY,
    MULTI_OUTPUTS,
    OTHER_KEY,
    OUTPUTS,
    REPLICA,
    REPLICA_REGION,
    SECRET_OF_ACCESS_KEY,
    STORED_KEY,
    UNDECIDED,
    USER_OUTPUTS,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeVercelClient,
    built,
    multi_region,
    settings,
    wrapped,
)
from wizard.core.errors import DataKeyConflict, PermissionDenied, Unreachable, Unsupported
from wizard.core.models.delivery import (
    AccessKey,
    AppVariables,
    ChildResult,
    Delivered,
    DeliveryState,
    StoredDataKey,
    Verification,
    VerificationState,
)
from wizard.core.ports.run import TargetContext
from wizard.data_key.delivery import deliver, variables_of
from wizard.data_key.proof import prove
from wizard.data_key.storage import ensure_data_key

BOTH = settings(deploy_targets=("vercel", "ecs"))


@pytest.fixture
def aws() -> FakeAwsClient:
    made = FakeAwsClient()
    made.build(settings())
    return made


def stored_data_key(aws: FakeAwsClient, seed: str = "one", key_arn: str | None = KEY) -> StoredDataKey:
    aws.stored_keys[STORED_KEY] = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(seed), key_arn=key_arn, version=1)
    aws.wrapped_by[wrapped(seed).fingerprint] = KEY
    return aws.stored_keys[STORED_KEY]


def context(
    aws: FakeAwsClient,
    vercel: FakeVercelClient | None = None,
    *targets: Target,
    wanted: Settings = BOTH,
    outputs: Outputs = OUTPUTS,
) -> TargetContext:
    return TargetContext(
        stack="production",
        settings=wanted,
        aws=aws,
        targets=targets,
        outputs=outputs,
        vercel=vercel,
        project=vercel.project if vercel else None,
    )


# --- delivered


def delivered(
    aws: FakeAwsClient,
    vercel: FakeVercelClient,
    *targets: Target,
    wanted: Settings = BOTH,
    outputs: Outputs = OUTPUTS,
    replaceable: frozenset[str] = frozenset(),
) -> tuple[Delivered, ...]:
    told: list[Delivered] = []
    done = deliver(
        context(aws, vercel, *targets, wanted=wanted, outputs=outputs),
        ensure_data_key(aws, wanted, outputs).wrapped,
        on_delivered=told.append,
        replaceable=replaceable,
    )
    assert tuple(told) == done
    return done


def test_the_stored_data_key_is_written_before_any_target_hears_of_it(aws) -> None:
    vercel = FakeVercelClient(log=aws.log)
    delivered(aws, vercel, Target.VERCEL, Target.ECS)
    told = [call.split()[0] for call in aws.log]
    assert (
        told.index("cloud.write_stored_data_key")
        < told.index("vercel.deliver")
        < told.index("cloud.deliver_parameters")
    )


def test_a_second_delivery_changes_nothing(aws) -> None:
    vercel = FakeVercelClient()
    delivered(aws, vercel, Target.VERCEL, Target.ECS)
    again = delivered(aws, vercel, Target.VERCEL, Target.ECS)
    assert [each.state for each in again] == [DeliveryState.UNCHANGED] * 2


def test_a_foreign_data_key_at_the_target_stops_the_delivery_there(aws) -> None:
    vercel = FakeVercelClient(variables={"ENCRYPTED_PHI_KEY": wrapped("foreign").value})
    with pytest.raises(DataKeyConflict):
        delivered(aws, vercel, Target.VERCEL, Target.ECS)
    assert vercel.variables == {"ENCRYPTED_PHI_KEY": wrapped("foreign").value}
    assert aws.parameters == {}


def test_a_stored_version_at_the_target_makes_way_where_the_run_says_so(aws) -> None:
    earlier = wrapped("an earlier version")
    vercel = FakeVercelClient(variables={"ENCRYPTED_PHI_KEY": earlier.value})
    (done,) = delivered(aws, vercel, Target.VERCEL, replaceable=frozenset({earlier.fingerprint}))
    assert done.state is DeliveryState.WRITTEN
    assert vercel.variables["ENCRYPTED_PHI_KEY"] == aws.stored_keys[STORED_KEY].wrapped.value != earlier.value


def test_a_target_that_says_it_holds_another_key_is_refused(aws) -> None:
    vercel = FakeVercelClient(delivered_instead=wrapped("another"))
    with pytest.raises(DataKeyConflict, match="not the stored"):
        delivered(aws, vercel, Target.VERCEL)


def test_the_data_key_is_written_before_the_key_it_belongs_to() -> None:
    names = [name for name, _ in AppVariables(region="us-east-1", key_arn=KEY, wrapped=wrapped()).values]
    assert names[0] == "ENCRYPTED_PHI_KEY"
    assert sorted(names) == ["AWS_KMS_KEY_ID", "AWS_REGION", "ENCRYPTED_PHI_KEY"]


def test_the_store_that_was_chosen_gets_all_three(aws) -> None:
    wanted = settings(deploy_targets=("ecs",), secret_store="secrets-manager")
    (done,) = delivered(aws, FakeVercelClient(), Target.ECS, wanted=wanted)
    assert done.place == "Secrets Manager /eonpro/production"
    assert set(aws.secret_values) == {"/eonpro/production/AWS_REGION", "/eonpro/production/AWS_KMS_KEY_ID"}
    assert (aws.parameters, aws.stored_keys) == ({}, {})


def test_eks_reads_from_the_same_store_as_ecs(aws) -> None:
    wanted = settings(deploy_targets=("ecs", "eks"), eks_cluster="clinic")
    done = delivered(aws, FakeVercelClient(), Target.ECS, Target.EKS, wanted=wanted)
    assert [(each.target, each.state) for each in done] == [
        ("ecs", DeliveryState.WRITTEN),
        ("eks", DeliveryState.UNCHANGED),
    ]


# --- delivered in every Region

REGIONS = multi_region(deploy_targets=("vercel", "ecs"))


def test_a_project_gets_the_first_regions_variables_and_ecs_each_its_own(aws) -> None:
    aws.build(REGIONS)
    vercel = FakeVercelClient()
    done = delivered(aws, vercel, Target.VERCEL, Target.ECS, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    assert [(each.target, each.region) for each in done] == [
        ("vercel", "us-east-1"),
        ("ecs", "us-east-1"),
        ("ecs", REPLICA_REGION),
    ]
    assert done[2].place == f"Parameter Store /eonpro/production in {REPLICA_REGION}"
    assert vercel.variables["AWS_KMS_KEY_ID"] == MULTI_KEY
    there = aws.with_region(REPLICA_REGION)
    assert there.parameters == {
        "/eonpro/production/AWS_REGION": REPLICA_REGION,
        "/eonpro/production/AWS_KMS_KEY_ID": REPLICA,
    }
    assert there.stored_keys[STORED_KEY].wrapped == aws.stored_keys[STORED_KEY].wrapped


def test_one_region_is_not_told_as_one_of_many(aws) -> None:
    (done,) = delivered(aws, FakeVercelClient(), Target.ECS)
    assert done.place == "Parameter Store /eonpro/production"


# --- proved


def proofs(
    aws: FakeAwsClient, *targets: str, verdict: ChildResult | None = None, of: StoredDataKey | None = None
) -> tuple[Verification, ...]:
    of = of or stored_data_key(aws)
    aws.parameters |= {"/eonpro/production/AWS_REGION": "us-east-1", "/eonpro/production/AWS_KMS_KEY_ID": KEY}
    standing = tuple(
        Delivered(
            target=target,
            place="there",
            state=DeliveryState.WRITTEN,
            fingerprint=of.wrapped.fingerprint,
            checked_by="values read back",
        )
        for target in targets or ("vercel",)
    )
    return prove(context(aws), standing, of.wrapped, prover=FakeDecryptVerifier(aws=aws, log=aws.log, verdict=verdict))


def test_the_application_opens_what_was_delivered(aws) -> None:
    aws.credentials = CREDENTIALS
    (proof,) = proofs(aws)
    assert proof.state is VerificationState.PROVED
    assert proof.detail.startswith(f"as {APP}, by a Vercel OIDC token: 32 bytes unwrapped")
    assert proof.detail.endswith("by the stored data key, for Vercel shows no value that it was given")
    assert proof.at.endswith("+00:00")


def test_the_key_material_that_opened_it_is_evidence_where_kms_names_it(aws) -> None:
    aws.credentials = CREDENTIALS
    (proof,) = proofs(aws)
    assert proof.key_material == MATERIAL
    silent = ChildResult(proved=True, principal=APP, fingerprint=wrapped().fingerprint)
    (proof,) = proofs(aws, verdict=silent)
    assert (proof.state, proof.key_material) == (VerificationState.PROVED, "")


def test_what_the_application_cannot_open_has_failed(aws) -> None:
    aws.credentials = CREDENTIALS
    there = stored_data_key(aws)
    aws.wrapped_by[there.wrapped.fingerprint] = OTHER_KEY
    (proof,) = proofs(aws, of=there)
    assert proof.state is VerificationState.FAILED
    assert "InvalidCiphertext" in proof.detail


def test_a_proof_of_another_data_key_is_no_proof(aws) -> None:
    aws.credentials = CREDENTIALS
    other = ChildResult(proved=True, principal=APP, fingerprint=wrapped("another").fingerprint)
    (proof,) = proofs(aws, verdict=other)
    assert proof.state is VerificationState.FAILED


@pytest.mark.parametrize(
    ("state", "full", "is_known", "is_full"),
    [
        (DeliveryState.UNCHANGED, False, True, False),
        (DeliveryState.UNCHANGED, False, False, True),
        (DeliveryState.UNCHANGED, True, True, True),
        (DeliveryState.WRITTEN, False, True, True),
    ],
)
def test_the_data_key_is_decrypted_only_after_a_change_if_asked_or_without_a_check_value(
    aws, state, full, is_known, is_full
) -> None:
    aws.credentials, of = CREDENTIALS, stored_data_key(aws)
    aws.parameters |= {"/eonpro/production/AWS_REGION": "us-east-1", "/eonpro/production/AWS_KMS_KEY_ID": KEY}
    there = Delivered(target="vercel", place="there", state=state, fingerprint=of.wrapped.fingerprint, checked_by="it")
    prover = FakeDecryptVerifier(aws=aws)
    known = replace(of.wrapped, check_value=aws.check_value(of.wrapped) if is_known else None)
    (proof,) = prove(context(aws), (there,), known, prover=prover, full=full)
    assert prover.full == [is_full]
    assert ("32 bytes unwrapped" in proof.detail, "a dry run, which returns no key" in proof.detail) == (
        is_full,
        not is_full,
    )


def test_the_first_proof_that_opens_a_data_key_records_its_check_value_and_the_next_one_compares(aws) -> None:
    aws.credentials, of = CREDENTIALS, stored_data_key(aws)
    aws.parameters |= {"/eonpro/production/AWS_REGION": "us-east-1", "/eonpro/production/AWS_KMS_KEY_ID": KEY}
    state = DeliveryState.UNCHANGED
    there = Delivered(target="vercel", place="it", state=state, fingerprint=of.wrapped.fingerprint, checked_by="it")

    def proof_of(wrapped: Any) -> Any:
        return prove(context(aws), (there,), wrapped, prover=FakeDecryptVerifier(aws=aws), full=True)[0]

    assert proof_of(of.wrapped).state is VerificationState.PROVED
    recorded = aws.stored_keys[of.parameter].wrapped
    assert recorded.check_value == aws.check_value(of.wrapped)
    assert proof_of(recorded).state is VerificationState.PROVED
    # Another key, under the same wrapped bytes as far as the store knows.
    proof = proof_of(replace(recorded, check_value="0" * 16))
    assert proof.state is VerificationState.FAILED and "but it was the key 0000000000000000" in proof.detail


def test_a_caller_who_may_not_write_tags_proves_and_records_nothing(aws) -> None:
    aws.credentials, of = CREDENTIALS, stored_data_key(aws)
    aws.key_rotation.failures["record_check_value"] = PermissionDenied("ssm:AddTagsToResource is denied", "ask")
    there = Delivered(
        target="vercel",
        place="there",
        state=DeliveryState.UNCHANGED,
        fingerprint=of.wrapped.fingerprint,
        checked_by="it",
    )
    (proof,) = prove(context(aws), (there,), of.wrapped, prover=FakeDecryptVerifier(aws=aws))
    assert proof.state is VerificationState.PROVED and aws.stored_keys[of.parameter].wrapped.check_value is None


def test_check_values_and_keys_for_reading_are_delivered_where_the_settings_ask(aws) -> None:
    of = stored_data_key(aws)
    known = replace(of.wrapped, check_value="0123456789abcdef")
    (plain,) = variables_of(context(aws), known).values()
    assert plain.optional == ()
    asked = replace(context(aws), settings=settings(key_check_value=True))
    (with_value,) = variables_of(asked, known).values()
    assert with_value.optional == (("ENCRYPTED_PHI_KEY_CHECK_VALUE", "0123456789abcdef"),)
    # What is not known is not delivered: an application that compares with nothing is right, one with a guess is not.
    (unknown,) = variables_of(asked, of.wrapped).values()
    assert unknown.optional == ()


@pytest.mark.parametrize("cause", ["Throttled", "Unreachable", "InvalidResponse"])
def test_a_kms_that_does_not_answer_is_no_failed_verification(aws, cause) -> None:
    aws.credentials = CREDENTIALS
    silent = ChildResult(proved=False, principal=APP, fingerprint="", cause=cause, message="said by the test")
    (proof,) = proofs(aws, verdict=silent)
    assert proof.state is VerificationState.UNPROVEN
    assert f"could not be verified: KMS did not answer ({cause}: said by the test)" in proof.detail


def test_without_the_applications_credentials_its_policies_are_evaluated_and_called_that(aws) -> None:
    (proof,) = proofs(aws)
    assert proof.state is VerificationState.SIMULATED
    assert "was not run as the application" in proof.detail
    assert "prover.prove" not in aws.log


@pytest.mark.parametrize("missing", [PermissionDenied("kms:GetKeyPolicy is denied", "ask"), Unreachable("gone", "x")])
def test_policies_that_cannot_be_read_leave_it_unproven(aws, missing) -> None:
    aws.failures["key_policy"] = missing
    (proof,) = proofs(aws)
    assert proof.state is VerificationState.UNPROVEN
    assert missing.message in proof.detail


def test_a_simulator_that_is_not_to_be_had_leaves_it_unproven(aws) -> None:
    aws.evaluation = UNDECIDED
    assert proofs(aws)[0].state is VerificationState.UNPROVEN
    aws.failures["simulate"] = Unsupported("no such operation", "none")
    assert proofs(aws)[0].state is VerificationState.UNPROVEN


def test_iam_policies_that_refuse_the_application_have_failed(aws) -> None:
    aws.evaluation = DENIED
    (proof,) = proofs(aws)
    assert (proof.state, "do not allow kms:Decrypt" in proof.detail) == (VerificationState.FAILED, True)


def test_a_key_policy_without_the_application_has_failed(aws) -> None:
    aws.key_policies[KEY] = policies.policy([policies.administration_statement(administrators=(ADMIN,))])
    (proof,) = proofs(aws)
    assert (proof.state, "key policy none" in proof.detail) == (VerificationState.FAILED, True)


def test_a_key_policy_that_denies_the_application_has_failed(aws) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    aws.key_policies[KEY] = policies.policy([*aws.key_policies[KEY]["Statement"], deny])
    assert proofs(aws)[0].state is VerificationState.FAILED


def test_a_denial_under_a_condition_that_nobody_knows_here_is_neither_a_failure_nor_a_proof(aws) -> None:
    unless = {"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": unless}
    aws.key_policies[KEY] = policies.policy([*aws.key_policies[KEY]["Statement"], deny])
    (proof,) = proofs(aws)
    assert proof.state is VerificationState.UNPROVEN and "conditions that are not known here" in proof.detail


def test_parameters_that_differ_have_failed_whatever_the_key_could_do(aws) -> None:
    aws.credentials = CREDENTIALS
    there = stored_data_key(aws)
    older = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped("older"), key_arn=KEY, version=1)
    aws.wrapped_by[older.wrapped.fingerprint] = KEY
    ecs, vercel = proofs(aws, "ecs", "vercel", of=older)
    assert aws.stored_keys[STORED_KEY] == there
    assert (ecs.state, vercel.state) == (VerificationState.FAILED, VerificationState.PROVED)
    assert "are not those that were delivered" in ecs.detail


def test_each_target_is_proved_by_its_own_way_to_the_credentials(aws) -> None:
    aws.credentials = CREDENTIALS
    assert [each.state for each in proofs(aws, "ecs", "vercel")] == [VerificationState.PROVED] * 2
    assert [call for call in aws.log if "app_credentials" in call] == [
        f"cloud.app_credentials {APP} container",
        f"cloud.app_credentials {APP} token",
    ]


def test_a_proof_of_one_target_is_none_of_the_other(aws) -> None:
    aws.credentials = CREDENTIALS
    aws.credentials_from = ("container",)
    ecs, vercel = proofs(aws, "ecs", "vercel")
    assert (ecs.state, vercel.state) == (VerificationState.PROVED, VerificationState.SIMULATED)
    assert "(tried: no token was given)" in vercel.detail


def test_a_prover_gets_the_applications_credentials_and_no_others(aws) -> None:
    aws.credentials = CREDENTIALS
    prover = FakeDecryptVerifier(aws=aws)
    there = stored_data_key(aws)
    prove(context(aws), delivered(aws, FakeVercelClient(), Target.VERCEL), there.wrapped, prover=prover)
    assert prover.given == [CREDENTIALS]


def test_each_region_is_proved_with_its_own_key(aws) -> None:
    aws.build(REGIONS)
    aws.credentials = CREDENTIALS
    done = delivered(aws, FakeVercelClient(), Target.ECS, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    proved = prove(
        context(aws, wanted=REGIONS, outputs=MULTI_OUTPUTS),
        done,
        aws.stored_keys[STORED_KEY].wrapped,
        prover=FakeDecryptVerifier(aws=aws),
    )
    assert [(each.state, each.detail.partition(":")[0]) for each in proved] == [
        (VerificationState.PROVED, "in us-east-1"),
        (VerificationState.PROVED, f"in {REPLICA_REGION}"),
    ]


def test_a_replica_that_opens_nothing_fails_its_region_and_not_the_other(aws) -> None:
    aws.build(REGIONS)
    done = delivered(aws, FakeVercelClient(), Target.ECS, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    aws.key_policies[REPLICA] = policies.policy([policies.administration_statement(administrators=(ADMIN,))])
    here, there = prove(
        context(aws, wanted=REGIONS, outputs=MULTI_OUTPUTS),
        done,
        aws.stored_keys[STORED_KEY].wrapped,
        prover=FakeDecryptVerifier(aws=aws),
    )
    assert (here.state, there.state) == (VerificationState.SIMULATED, VerificationState.FAILED)


def test_a_copy_that_differs_in_one_region_fails_there(aws) -> None:
    aws.build(REGIONS)
    aws.credentials = CREDENTIALS
    done = delivered(aws, FakeVercelClient(), Target.ECS, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    aws.with_region(REPLICA_REGION).parameters["/eonpro/production/AWS_KMS_KEY_ID"] = KEY
    here, there = prove(
        context(aws, wanted=REGIONS, outputs=MULTI_OUTPUTS),
        done,
        aws.stored_keys[STORED_KEY].wrapped,
        prover=FakeDecryptVerifier(aws=aws),
    )
    assert (here.state, there.state) == (VerificationState.PROVED, VerificationState.FAILED)


# --- proved by an access key


def proof_of_the_user(aws: FakeAwsClient, key: AccessKey | None, prover: Any, **changes: Any) -> Verification:
    wanted = settings(vercel_access="user")
    built(aws, wanted)
    values: dict[str, Any] = {"wanted": wanted, "outputs": USER_OUTPUTS, **changes}
    done = delivered(aws, FakeVercelClient(), Target.VERCEL, **values)
    (proof,) = prove(
        context(aws, wanted=wanted, outputs=USER_OUTPUTS),
        done,
        aws.stored_keys[STORED_KEY].wrapped,
        prover=prover,
        access_key=key,
    )
    return proof


MADE = AccessKey(id="AKIAMADENUMBER000001", secret=SECRET_OF_ACCESS_KEY)


def test_an_access_key_made_now_is_what_the_user_is_proved_with(aws) -> None:
    prover = FakeDecryptVerifier(aws=aws)
    proof = proof_of_the_user(aws, MADE, prover)
    assert (proof.state, proof.principal) == (VerificationState.PROVED, APP_USER)
    assert f"by its access key {MADE.id}, created just now" in proof.detail
    (given,) = prover.given
    assert (given.access_key_id, given.secret_access_key, given.session_token) == (MADE.id, MADE.secret, None)
    assert MADE.secret not in repr(proof)


def test_an_access_key_that_was_kept_cannot_be_used_from_here_and_is_simulated(aws) -> None:
    prover = FakeDecryptVerifier(aws=aws)
    proof = proof_of_the_user(aws, None, prover)
    assert proof.state is VerificationState.SIMULATED
    assert prover.given == []


def test_a_role_is_never_proved_with_the_users_access_key(aws) -> None:
    prover = FakeDecryptVerifier(aws=aws)
    prove(
        context(aws),
        delivered(aws, FakeVercelClient(), Target.VERCEL),
        aws.stored_keys[STORED_KEY].wrapped,
        prover=prover,
        access_key=MADE,
    )
    assert prover.given == []


def test_a_new_access_key_is_tried_longer_than_other_credentials(aws) -> None:
    aws.credentials = CREDENTIALS
    new, other = FakeDecryptVerifier(aws=aws), FakeDecryptVerifier(aws=aws)
    proof_of_the_user(aws, MADE, new)
    prove(
        context(aws),
        delivered(aws, FakeVercelClient(), Target.VERCEL),
        aws.stored_keys[STORED_KEY].wrapped,
        prover=other,
    )
    assert [*new.retry_seconds, *other.retry_seconds] == [40.0, 20.0]
