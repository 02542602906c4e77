"""Corrections about KMS's dry runs: the caller learns whether the call would succeed, and nothing happens.

It may touch nothing: it judges calls and answers.
"""

from __future__ import annotations

from typing import NoReturn

from sandbox.principals import Principal
from sandbox.wire import Answer, AwsError, Call

# The operations that change nothing: the emulator may carry them out, so that it checks them, and nobody learns
# what came of it.
DRY_RUNS = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "ReEncrypt",
            "Sign", "Verify", "VerifyMac")  # fmt: skip


def a_dry_run_tells_and_does_nothing(call: Call, answer: Answer) -> Answer:
    """AWS answers DryRunOperationException, HTTP 412, when a call with DryRun would have succeeded.

    The emulator ignores DryRun and carries the call out.
    https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    if call.parameters.get("DryRun") is True:
        would_have_succeeded()
    return answer


def would_have_succeeded() -> NoReturn:
    """The refusal that is good news."""
    what = "The request would have succeeded, but the DryRun option is set."
    raise AwsError("DryRunOperationException", what, 412)


def grants_are_not_touched_by_a_dry_run(call: Call, who: Principal | None) -> None:
    """AWS makes and ends no grant in a dry run (DryRunOperationException); the emulator does it.

    https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    if call.parameters.get("DryRun") is True:
        would_have_succeeded()
