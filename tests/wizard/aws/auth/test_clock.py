"""This machine's clock against the endpoint's, which a test puts forward or back."""

from __future__ import annotations

import pytest

from wizard.core.errors import CredentialsError


@pytest.mark.parametrize("ahead", [0, 120, -240, 86_400])
def test_the_skew_is_told_by_the_answer_to_who_the_caller_is_and_costs_no_call(script, scripted, ahead):
    script.say_who()
    script.ahead = ahead
    scripted.identify()
    calls = list(script.calls)
    assert scripted.clock_skew() == pytest.approx(-ahead, abs=3)
    assert script.calls == calls == ["GetCallerIdentity", "ListAccountAliases"]


def test_the_skew_is_the_same_in_every_region(script, scripted):
    script.say_who()
    script.ahead = 200
    scripted.identify()
    assert scripted.with_region("eu-west-1").clock_skew() == pytest.approx(-200, abs=3)


def test_before_aws_has_answered_no_skew_is_known(scripted):
    assert scripted.clock_skew() is None


@pytest.mark.parametrize(
    "code",
    [
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
        "RequestExpired",
        "InvalidSignatureException",
        "RequestInTheFuture",
    ],
)
@pytest.mark.parametrize("ahead", [400, -7200])
def test_a_signature_refused_for_a_wrong_clock_is_told_with_both_times(script, scripted, code, ahead):
    script.ahead = ahead
    script.refuse("GetCallerIdentity", code, "x-amz-security-token:the-token", status=403)
    with pytest.raises(CredentialsError, match=r"clock is wrong: it says 20.* UTC, AWS says 20.* UTC") as refusal:
        scripted.identify()
    assert refusal.value.hint.startswith("timedatectl set-ntp true")
    assert refusal.value.exit_code == 3
    assert "the-token" not in refusal.value.message


def test_a_signature_refused_by_a_clock_that_agrees_is_no_matter_of_the_clock(script, scripted):
    script.refuse("GetCallerIdentity", "SignatureDoesNotMatch", status=403)
    with pytest.raises(CredentialsError, match="refused the signature"):
        scripted.identify()
