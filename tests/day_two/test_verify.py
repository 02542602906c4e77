"""`verify` on a stack that stands: a proof that fails ends with its cause and the command that mends it.

Touches the deployment that is set up once; every test leaves it as it was.
"""

from __future__ import annotations

from tests.day_two import in_this_process
from tests.day_two.doctor_fixture import typed
from tests.onboarding.deployment import Deployment


def test_a_failed_proof_ends_with_its_cause_and_the_command_that_mends_it(on_vercel: Deployment):
    [key] = on_vercel.keys()
    on_vercel.client("kms").disable_key(KeyId=key)
    on_vercel.forget_calls()
    failed = in_this_process.run(on_vercel, "verify", "--json", expect=1)
    assert on_vercel.changes() == {}
    assert [each["state"] for each in failed.document["proofs"]] == ["failed"]
    [finding] = failed.document["findings"]
    assert finding["cause"] == "key-disabled"
    # A person reads the same.
    assert finding["command"].split()[:3] == ["aws", "kms", "enable-key"] and "aws kms enable-key" in failed.err
    typed(on_vercel, finding["command"])
    fixed = in_this_process.run(on_vercel, "verify", "--json").document
    assert ([each["state"] for each in fixed["proofs"]], fixed["findings"]) == (["proved"], [])
