"""The way of the data key to its targets, and the proof; over fakes that have no door to its plaintext."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
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
from wizard.core.errors import DataKeyConflict, PermissionDenied, Unsupported
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.models.verification import AccessKey, ChildResult, Verification, VerificationState
from wizard.core.target_context import TargetContext
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
    assert [each.state for each in done] == [DeliveryState.WRITTEN, DeliveryState.UNCHANGED]
    assert {each.place for each in done} == {"Parameter Store /eonpro/production"}


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
    # What the same bytes open to never changes: the tag is wrong, and whoever reads the proof hears of it.
    aws.stored_keys[of.parameter] = replace(of, wrapped=replace(recorded, check_value="0" * 16))
    proof = proof_of(aws.stored_keys[of.parameter].wrapped)
    assert proof.state is VerificationState.PROVED and "said 0000000000000000, and is right again" in proof.detail
    assert aws.stored_keys[of.parameter].wrapped.check_value == recorded.check_value


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


PROVED, SIMULATED, UNPROVEN, FAILED = (
    VerificationState[name] for name in ("PROVED", "SIMULATED", "UNPROVEN", "FAILED")
)
NO_POLICY = PermissionDenied("kms:GetKeyPolicy is denied", "ask")


def as_the_application(aws: FakeAwsClient, **answer: Any) -> ChildResult:
    """The answer of the application's child process."""
    aws.credentials = CREDENTIALS
    return ChildResult(
        **{"proved": False, "principal": APP, "fingerprint": "", "message": "said by the test", **answer}
    )


def under_another_key(aws: FakeAwsClient) -> None:
    aws.credentials = CREDENTIALS
    stored_data_key(aws)
    aws.wrapped_by[wrapped("one").fingerprint] = OTHER_KEY


def its_copy_differs(aws: FakeAwsClient) -> None:
    aws.credentials = CREDENTIALS
    aws.with_region(REPLICA_REGION).parameters["/eonpro/production/AWS_KMS_KEY_ID"] = KEY


def administrators_alone(aws: FakeAwsClient, key: str = KEY) -> None:
    aws.key_policies[key] = policies.policy([policies.administration_statement(administrators=(ADMIN,))])


def denied_to_all(aws: FakeAwsClient, **condition: Any) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", **condition}
    policy: Any = aws.key_policies[KEY]
    aws.key_policies[KEY] = policies.policy([*policy["Statement"], deny])


UNLESS = {"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}
OTHER_PRINT = wrapped("another").fingerprint
PROOFS: dict[str, Any] = {
    "the application opens it": (
        lambda aws: setattr(aws, "credentials", CREDENTIALS),
        PROVED,
        f"as {APP}, by a Vercel OIDC token: 32 bytes unwrapped",
    ),
    "the key was wrapped by another KMS key": (under_another_key, FAILED, "InvalidCiphertext"),
    "the application opened another data key": (
        lambda aws: as_the_application(aws, proved=True, fingerprint=OTHER_PRINT),
        FAILED,
        f"the application opened {OTHER_PRINT}, not ",
    ),
    **{
        f"KMS does not answer: {cause}": (
            partial(as_the_application, cause=cause),
            UNPROVEN,
            f"could not be verified: KMS did not answer ({cause}: said by the test)",
        )
        for cause in ("Throttled", "Unreachable", "InvalidResponse")
    },
    "without its credentials its policies are asked": (lambda aws: None, SIMULATED, "was not run as the application"),
    "its policies may not be read": (
        lambda aws: aws.failures.update(key_policy=NO_POLICY),
        UNPROVEN,
        NO_POLICY.message,
    ),
    "the simulator does not decide": (
        lambda aws: setattr(aws, "evaluation", UNDECIDED),
        UNPROVEN,
        "what IAM allows is not known",
    ),
    "there is no simulator": (
        lambda aws: aws.failures.update(simulate=Unsupported("no such operation", "none")),
        UNPROVEN,
        "no such operation",
    ),
    "IAM refuses it": (lambda aws: setattr(aws, "evaluation", DENIED), FAILED, "do not allow kms:Decrypt"),
    "the key policy does not name it": (administrators_alone, FAILED, "key policy none"),
    "the key policy denies it": (denied_to_all, FAILED, "key policy denied"),
    "a denial under a condition is neither a failure nor a proof": (
        lambda aws: denied_to_all(aws, Condition=UNLESS),
        UNPROVEN,
        "conditions that are not known here",
    ),
}


@pytest.mark.parametrize("case", PROOFS)
def test_what_is_known_of_a_delivery(aws, case) -> None:
    seed, state, words = PROOFS[case]
    verdict = seed(aws)
    (proof,) = proofs(aws, verdict=verdict, of=aws.stored_keys.get(STORED_KEY))
    assert (proof.state, words in proof.detail) == (state, True), proof.detail
    assert ("prover.prove" in aws.log) is (aws.credentials is not None)
    assert proof.key_material == (MATERIAL if state is PROVED else "")


def test_a_proof_says_when_it_was_and_that_vercel_shows_no_value_and_needs_no_name_of_the_key_material(aws) -> None:
    silent = as_the_application(aws, proved=True, fingerprint=wrapped("one").fingerprint)
    (proof,) = proofs(aws, verdict=silent)
    assert (proof.state, proof.key_material) == (PROVED, "") and proof.at.endswith("+00:00")
    assert proof.detail.endswith("by the stored data key, for Vercel shows no value that it was given")


def test_a_caller_who_may_not_write_tags_proves_and_records_nothing(aws) -> None:
    aws.credentials = CREDENTIALS
    aws.key_rotation.failures["record_check_value"] = PermissionDenied("ssm:AddTagsToResource is denied", "ask")
    assert proofs(aws)[0].state is PROVED
    assert aws.stored_keys[STORED_KEY].wrapped.check_value is None


@pytest.mark.parametrize(
    ("change", "states"),
    [
        (lambda aws: setattr(aws, "credentials", CREDENTIALS), [PROVED, PROVED]),
        (lambda aws: administrators_alone(aws, REPLICA), [SIMULATED, FAILED]),
        (its_copy_differs, [PROVED, FAILED]),
    ],
    ids=["with its own key", "where the replica opens nothing", "where its copy differs"],
)
def test_each_region_is_proved_by_itself(aws, change, states) -> None:
    aws.build(REGIONS)
    done = delivered(aws, FakeVercelClient(), Target.ECS, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    change(aws)
    of = aws.stored_keys[STORED_KEY].wrapped
    there = context(aws, wanted=REGIONS, outputs=MULTI_OUTPUTS)
    proved = prove(there, done, of, prover=FakeDecryptVerifier(aws=aws))
    assert [each.state for each in proved] == states
    assert [each.detail.partition(":")[0] for each in proved] == ["in us-east-1", f"in {REPLICA_REGION}"]


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
