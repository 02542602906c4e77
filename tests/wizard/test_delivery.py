"""The laws of the data key, over fakes that have no door to its plaintext."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components import policies
from components.contract import Target
from tests.wizard.fakes import (
    ADMIN,
    APP,
    CREDENTIALS,
    ESCROW,
    KEY,
    OTHER_KEY,
    OUTPUTS,
    FakeCloud,
    FakeHosting,
    FakeProver,
    settings,
    wrapped,
)
from wizard.delivery import deliver, ensure_data_key, prove
from wizard.errors import DataKeyConflict, PermissionDenied, ResourceError, Unreachable, Unsupported
from wizard.facts import Batch, Delivered, DeliveryState, Escrow, Proof, ProofState, Simulation, Verdict

BOTH = settings(deploy_targets=("vercel", "ecs"))


@pytest.fixture
def cloud() -> FakeCloud:
    made = FakeCloud()
    made.build(settings())
    return made


def escrow(cloud: FakeCloud, seed: str = "one", key_arn: str | None = KEY) -> Escrow:
    cloud.escrows[ESCROW] = Escrow(parameter=ESCROW, wrapped=wrapped(seed), key_arn=key_arn, version=1)
    cloud.wrapped_by[wrapped(seed).fingerprint] = KEY
    return cloud.escrows[ESCROW]


def calls(cloud: FakeCloud) -> list[str]:
    return [call.split()[0] for call in cloud.log]


# --- made once


def test_a_new_data_key_is_escrowed_and_read_back(cloud) -> None:
    made = ensure_data_key(cloud, settings(), KEY)
    assert calls(cloud) == ["cloud.read_escrow", "cloud.make_data_key", "cloud.write_escrow", "cloud.read_escrow"]
    assert made.made_now
    assert (made.wrapped, made.key_arn) == (cloud.escrows[ESCROW].wrapped, KEY)


def test_a_data_key_that_is_there_is_kept_and_none_is_made(cloud) -> None:
    there = escrow(cloud)
    assert ensure_data_key(cloud, settings(), KEY) == there
    assert calls(cloud) == ["cloud.read_escrow"]


def test_two_runs_at_once_end_with_the_key_of_whoever_wrote_first(cloud) -> None:
    cloud.meanwhile = [wrapped("the other run's")]
    mine = ensure_data_key(cloud, settings(), KEY)
    theirs = ensure_data_key(cloud, settings(), KEY)
    assert mine.wrapped == theirs.wrapped == wrapped("the other run's")
    assert not mine.made_now


def test_a_second_run_makes_no_second_key(cloud) -> None:
    first = ensure_data_key(cloud, settings(), KEY)
    second = ensure_data_key(cloud, settings(), KEY)
    assert second == replace(first, made_now=False)
    assert calls(cloud).count("cloud.make_data_key") == 1


def test_a_data_key_under_another_key_is_refused_and_left_alone(cloud) -> None:
    there = escrow(cloud, key_arn=OTHER_KEY)
    with pytest.raises(DataKeyConflict, match="wrapped by"):
        ensure_data_key(cloud, settings(), KEY)
    assert cloud.escrows[ESCROW] == there


def test_the_winner_of_a_race_under_another_key_is_refused(cloud) -> None:
    cloud.keys[OTHER_KEY] = cloud.keys[KEY]

    class Racing(FakeCloud):
        def write_escrow(self, parameter, wrapped, *, key_arn, tags):
            return super().write_escrow(parameter, wrapped, key_arn=OTHER_KEY, tags=tags)

    racing = Racing(keys=cloud.keys, meanwhile=[wrapped("theirs")])
    with pytest.raises(DataKeyConflict, match=OTHER_KEY):
        ensure_data_key(racing, settings(), KEY)


def test_an_escrow_that_does_not_say_its_key_is_taken(cloud) -> None:
    assert ensure_data_key(cloud, settings(), KEY if escrow(cloud, key_arn=None) else "").key_arn is None


def test_an_escrow_that_holds_something_else_than_was_written_is_refused(cloud) -> None:
    class Careless(FakeCloud):
        def write_escrow(self, parameter, wrapped, *, key_arn, tags):
            super().write_escrow(parameter, wrapped, key_arn=key_arn, tags=tags)
            escrow(self, "overwritten by somebody")
            return True

    with pytest.raises(DataKeyConflict, match="just written to it"):
        ensure_data_key(Careless(keys=cloud.keys), settings(), KEY)


def test_an_escrow_that_is_not_there_after_it_was_written_is_an_error(cloud) -> None:
    class Forgetful(FakeCloud):
        def write_escrow(self, parameter, wrapped, *, key_arn, tags):
            return True

    with pytest.raises(ResourceError, match="was written and is not there"):
        ensure_data_key(Forgetful(keys=cloud.keys), settings(), KEY)


def test_a_key_that_cannot_make_a_data_key_leaves_no_escrow(cloud) -> None:
    with pytest.raises(ResourceError):
        ensure_data_key(cloud, settings(), OTHER_KEY)
    assert cloud.escrows == {}


def test_another_environment_has_an_escrow_of_its_own(cloud) -> None:
    made = ensure_data_key(cloud, settings(environment="staging"), KEY)
    assert made.parameter == "/eonpro/staging/ENCRYPTED_PHI_KEY"


# --- delivered


def batch(of: Escrow) -> Batch:
    return Batch(region="us-east-1", key_arn=KEY, wrapped=of.wrapped)


def delivered(cloud: FakeCloud, hosting: FakeHosting, *targets: Target) -> tuple[Delivered, ...]:
    told: list[Delivered] = []
    done = deliver(
        cloud=cloud,
        hosting=hosting,
        project=hosting.project,
        settings=BOTH,
        targets=targets,
        batch=batch(ensure_data_key(cloud, BOTH, KEY)),
        tell=told.append,
    )
    assert tuple(told) == done
    return done


def test_the_escrow_is_written_before_any_target_hears_of_it(cloud) -> None:
    hosting = FakeHosting(log=cloud.log)
    delivered(cloud, hosting, Target.VERCEL, Target.ECS)
    told = [call.split()[0] for call in cloud.log]
    assert told.index("cloud.write_escrow") < told.index("hosting.deliver") < told.index("cloud.deliver_parameters")


def test_every_target_gets_the_same_three_variables(cloud) -> None:
    hosting = FakeHosting()
    one, two = delivered(cloud, hosting, Target.VERCEL, Target.ECS)
    assert one.fingerprint == two.fingerprint
    assert set(hosting.variables) == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert hosting.variables["AWS_KMS_KEY_ID"] == cloud.parameters["/eonpro/production/AWS_KMS_KEY_ID"] == KEY
    assert hosting.variables["ENCRYPTED_PHI_KEY"] == cloud.escrows[ESCROW].wrapped.value


def test_two_wizards_deliver_one_key(cloud) -> None:
    mine, theirs = FakeHosting(), FakeHosting()
    cloud.meanwhile = [wrapped("the other run's")]
    delivered(cloud, mine, Target.VERCEL)
    delivered(cloud, theirs, Target.VERCEL)
    assert mine.variables == theirs.variables


def test_a_second_delivery_changes_nothing(cloud) -> None:
    hosting = FakeHosting()
    delivered(cloud, hosting, Target.VERCEL, Target.ECS)
    again = delivered(cloud, hosting, Target.VERCEL, Target.ECS)
    assert [each.state for each in again] == [DeliveryState.UNCHANGED] * 2


def test_a_foreign_data_key_at_the_target_stops_the_delivery_there(cloud) -> None:
    hosting = FakeHosting(variables={"ENCRYPTED_PHI_KEY": wrapped("foreign").value})
    with pytest.raises(DataKeyConflict):
        delivered(cloud, hosting, Target.VERCEL, Target.ECS)
    assert hosting.variables == {"ENCRYPTED_PHI_KEY": wrapped("foreign").value}
    assert cloud.parameters == {}


def test_a_target_that_says_it_holds_another_key_is_refused(cloud) -> None:
    hosting = FakeHosting(delivered_instead=wrapped("another"))
    with pytest.raises(DataKeyConflict, match="not the escrowed"):
        delivered(cloud, hosting, Target.VERCEL)


def test_the_data_key_is_written_before_the_key_it_belongs_to() -> None:
    names = [name for name, _ in Batch(region="us-east-1", key_arn=KEY, wrapped=wrapped()).values]
    assert names[0] == "ENCRYPTED_PHI_KEY"
    assert sorted(names) == ["AWS_KMS_KEY_ID", "AWS_REGION", "ENCRYPTED_PHI_KEY"]


# --- proved


def proofs(
    cloud: FakeCloud,
    *targets: str,
    verdict: Verdict | None = None,
    of: Escrow | None = None,
) -> tuple[Proof, ...]:
    of = of or escrow(cloud)
    cloud.parameters |= {"/eonpro/production/AWS_REGION": "us-east-1", "/eonpro/production/AWS_KMS_KEY_ID": KEY}
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
    return prove(
        cloud=cloud,
        prover=FakeProver(cloud=cloud, log=cloud.log, verdict=verdict),
        settings=BOTH,
        outputs=OUTPUTS,
        delivered=standing,
        batch=batch(of),
    )


def test_the_application_opens_what_was_delivered(cloud) -> None:
    cloud.credentials = CREDENTIALS
    (proof,) = proofs(cloud)
    assert proof.state is ProofState.PROVED
    assert proof.detail.startswith(f"as {APP}, by a Vercel OIDC token: 32 bytes unwrapped")
    assert proof.at.endswith("+00:00")


def test_what_the_application_cannot_open_has_failed(cloud) -> None:
    cloud.credentials = CREDENTIALS
    there = escrow(cloud)
    cloud.wrapped_by[there.wrapped.fingerprint] = OTHER_KEY
    (proof,) = proofs(cloud, of=there)
    assert proof.state is ProofState.FAILED
    assert "InvalidCiphertext" in proof.detail


def test_a_proof_of_another_data_key_is_no_proof(cloud) -> None:
    cloud.credentials = CREDENTIALS
    other = Verdict(proved=True, principal=APP, fingerprint=wrapped("another").fingerprint)
    (proof,) = proofs(cloud, verdict=other)
    assert proof.state is ProofState.FAILED


def test_without_the_applications_credentials_its_policies_are_evaluated_and_called_that(cloud) -> None:
    (proof,) = proofs(cloud)
    assert proof.state is ProofState.SIMULATED
    assert "was not run as the application" in proof.detail
    assert "prover.prove" not in cloud.log


@pytest.mark.parametrize("missing", [PermissionDenied("kms:GetKeyPolicy is denied", "ask"), Unreachable("gone", "x")])
def test_policies_that_cannot_be_read_leave_it_unproven(cloud, missing) -> None:
    cloud.failures["key_policy"] = missing
    (proof,) = proofs(cloud)
    assert proof.state is ProofState.UNPROVEN
    assert missing.message in proof.detail


def test_a_simulator_that_is_not_to_be_had_leaves_it_unproven(cloud) -> None:
    cloud.simulation = Simulation(allowed=None, detail="no such operation")
    assert proofs(cloud)[0].state is ProofState.UNPROVEN
    cloud.failures["simulate"] = Unsupported("no such operation", "none")
    assert proofs(cloud)[0].state is ProofState.UNPROVEN


def test_iam_policies_that_refuse_the_application_have_failed(cloud) -> None:
    cloud.simulation = Simulation(allowed=False, detail="denied by a boundary")
    (proof,) = proofs(cloud)
    assert (proof.state, "denied by a boundary" in proof.detail) == (ProofState.FAILED, True)


def test_a_key_policy_without_the_application_has_failed(cloud) -> None:
    cloud.key_policies[KEY] = policies.policy([policies.administration_statement(administrators=(ADMIN,))])
    (proof,) = proofs(cloud)
    assert (proof.state, "key policy none" in proof.detail) == (ProofState.FAILED, True)


def test_a_key_policy_that_denies_the_application_has_failed(cloud) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    allow = policies.key_policy_statements(account_id="111122223333", administrators=(ADMIN,), app_principal_arn=APP)
    cloud.key_policies[KEY] = policies.policy([*allow, deny])
    assert proofs(cloud)[0].state is ProofState.FAILED


def test_parameters_that_differ_have_failed_whatever_the_key_could_do(cloud) -> None:
    cloud.credentials = CREDENTIALS
    there = escrow(cloud)
    older = Escrow(parameter=ESCROW, wrapped=wrapped("older"), key_arn=KEY, version=1)
    cloud.wrapped_by[older.wrapped.fingerprint] = KEY
    ecs, vercel = proofs(cloud, "ecs", "vercel", of=older)
    assert cloud.escrows[ESCROW] == there
    assert (ecs.state, vercel.state) == (ProofState.FAILED, ProofState.PROVED)
    assert "are not what was delivered" in ecs.detail


def test_each_target_is_proved_by_its_own_way_to_the_credentials(cloud) -> None:
    cloud.credentials = CREDENTIALS
    assert [each.state for each in proofs(cloud, "ecs", "vercel")] == [ProofState.PROVED] * 2
    assert [call for call in cloud.log if "app_credentials" in call] == [
        f"cloud.app_credentials {APP} ecs",
        f"cloud.app_credentials {APP} vercel",
    ]


def test_a_proof_of_one_target_is_none_of_the_other(cloud) -> None:
    cloud.credentials = CREDENTIALS
    cloud.credentials_for = ("ecs",)
    ecs, vercel = proofs(cloud, "ecs", "vercel")
    assert (ecs.state, vercel.state) == (ProofState.PROVED, ProofState.SIMULATED)
    assert "(tried: no token was given)" in vercel.detail


def test_a_prover_gets_the_applications_credentials_and_no_others(cloud) -> None:
    cloud.credentials = CREDENTIALS
    prover = FakeProver(cloud=cloud)
    there = escrow(cloud)
    prove(
        cloud=cloud,
        prover=prover,
        settings=BOTH,
        outputs=OUTPUTS,
        delivered=delivered(cloud, FakeHosting(), Target.VERCEL),
        batch=batch(there),
    )
    assert prover.given == [CREDENTIALS]
