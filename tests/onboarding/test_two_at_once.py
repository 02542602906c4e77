"""Two wizards at the same moment: one key, one data key, one of everything, and both runs end well.

Touches clinics of its own.
"""

from __future__ import annotations

import pytest

from tests.onboarding.clinic import Clinic, until


@pytest.mark.parametrize(
    "folders", [pytest.param("the same folder", marks=pytest.mark.thorough), "two folders that share the state backend"]
)
def test_two_at_once_end_with_one_key_and_one_data_key(clinic: Clinic, folders: str):
    other = clinic.folder if folders == "the same folder" else clinic.another_folder("colleague")
    first, second = clinic.start("vercel", log="first"), clinic.start("vercel", folder=other, log="second")
    assert first.wait() == 0, first.told
    assert second.wait() == 0, second.told
    made = clinic.inventory()
    [key] = clinic.keys()
    assert len(clinic.log_keys()) == 1 and len(made["keys"]) == 2
    assert len(made["trails"]) == 1 and len(made["buckets"]) == 2
    assert clinic.calls()["kms:CreateKey"] == 2
    assert len(clinic.escrow_versions()) == 1
    assert clinic.variables()["AWS_KMS_KEY_ID"]["value"] == key
    fingerprints = {word for told in (first.told, second.told) for word in told.split() if word.startswith("sha256:")}
    assert len({word.rstrip("),;") for word in fingerprints}) == 1
    clinic.pulumi("preview", "--stack", "production", "--expect-no-changes")


def test_two_that_make_the_data_key_at_the_same_moment_keep_one(clinic: Clinic):
    clinic.set_up("vercel")
    # As if the run had ended before its data key: the stack is built, the escrow and the variables are not there.
    clinic.client("ssm").delete_parameter(Name="/eonpro/production/ENCRYPTED_PHI_KEY")
    for variable in clinic.variables().values():
        clinic.vercel("DELETE", f"/v10/projects/eonpro/env/{variable['id']}")
    clinic.forget_calls()
    clinic.fault(service="ssm", operation="PutParameter", kind="hang", times=2)
    runs = [clinic.start("vercel", folder=clinic.another_folder(name), log=name) for name in ("one", "two")]
    until(lambda: clinic.calls()["ssm:PutParameter"] == 2, what="both wizards' hold on a data key of their own")
    clinic.no_more_faults()
    assert [run.wait() for run in runs] == [0, 0], "\n".join(run.told for run in runs)
    assert clinic.calls()["kms:GenerateDataKeyWithoutPlaintext"] == 2
    assert len(clinic.escrow_versions()) == 1
    clinic.forget_calls()
    clinic.set_up("vercel")
    assert clinic.changes() == {}
