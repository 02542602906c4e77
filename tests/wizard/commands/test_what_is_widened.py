"""What lets somebody in, or keeps the application out: neither `verify` nor `status` nor `review` ends with 0.

Over the fakes of the edges; no file but those of the reviews.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation import IamPolicy
from components.policies.stack import access_log_bucket_policy_of, trail_bucket_policy_of, trail_key_policy_of
from tests.wizard.account.doctor_fixture import APP, DoctorFixture
from tests.wizard.fakes.clients import BUCKET, LOGS_KEY, key_fact, settings, trail_fact
from wizard.account.judgements import RIGHTS_CHECKS
from wizard.account.notices import State
from wizard.account.views import diagnose
from wizard.commands.options import ReviewOptions
from wizard.commands.status import command, output
from wizard.core.errors import CredentialsError
from wizard.core.models.stack import HealthStatus, ListedStack

STRANGER = "arn:aws:iam::999988887777:root"


def with_inline_policy(fixture: DoctorFixture) -> None:
    own = fixture.access_diagnostics.principals[APP].policies
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    inline = IamPolicy(name="more of role/eonpro-app-role", document={"Statement": [everything]})
    fixture.change(policies=(*own, inline))


def with_trust(change: Callable[[Any], Any]) -> Callable[[DoctorFixture], None]:
    def changed(fixture: DoctorFixture) -> None:
        trust = fixture.access_diagnostics.principals[APP].trust
        fixture.change(trust=change(trust))

    return changed


def foreign(trust: Any) -> Any:
    first = trust["Statement"][0]
    other = {**first, "Sid": "Other", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole", "Condition": {}}
    return {**trust, "Statement": [*trust["Statement"], other]}


def of_previews(trust: Any) -> Any:
    return json.loads(json.dumps(trust).replace("environment:production", "environment:preview"))


def stranger_in_the_bucket(fixture: DoctorFixture) -> None:
    assert fixture.aws.retention is not None and fixture.aws.retention.policy is not None
    reads = {
        **{"Effect": "Allow", "Principal": {"AWS": STRANGER}},
        **{"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
    }
    policy = fixture.aws.retention.policy
    fixture.aws.retention = replace(
        fixture.aws.retention, policy={**policy, "Statement": [*policy["Statement"], reads]}
    )


def stranger_in_the_logs_key(fixture: DoctorFixture) -> None:
    policy: Any = fixture.aws.key_policies[LOGS_KEY]
    decrypts = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "kms:Decrypt", "Resource": "*"}
    fixture.aws.key_policies[LOGS_KEY] = {**policy, "Statement": [*policy["Statement"], decrypts]}


FALSIFICATIONS: dict[str, Callable[[DoctorFixture], None]] = {
    "an inline policy that allows all": with_inline_policy,
    "a trust of another account": with_trust(foreign),
    "a trust of the previews": with_trust(of_previews),
    "a stranger in the bucket": stranger_in_the_bucket,
    "a stranger in the key of the logs": stranger_in_the_logs_key,
}
KEEPS_OUT = "a trust of the previews"
"""Nobody is let in by it alone: it keeps the application out, and a review is of who can use the key."""


@pytest.fixture
def fixture() -> DoctorFixture:
    made = DoctorFixture(settings())
    aws = made.aws
    assert made.settings is not None and aws.retention is not None
    aws.trails = (trail_fact(key_arn=LOGS_KEY),)
    aws.keys[LOGS_KEY], aws.key_policies[LOGS_KEY] = key_fact(LOGS_KEY), trail_key_policy_of(made.settings)
    aws.retention = replace(aws.retention, tls_only=True, policy=trail_bucket_policy_of(made.settings))
    if aws.access_log_retention is not None:
        of_access = access_log_bucket_policy_of(made.settings)
        aws.access_log_retention = replace(aws.access_log_retention, policy=of_access)
    return made


def rows(fixture: DoctorFixture, *, all_stacks: bool = False) -> Any:
    request, clients = fixture.run()
    assert request.saved is not None
    return command.read(
        clients,
        {"production": request.saved},
        all_stacks=all_stacks,
        stack="production",
        list_stacks=lambda environment: (ListedStack(name="production", last_update=None, resources=31),),
        vercel_token="token",
    )


def reviewed(fixture: DoctorFixture, folder: Path) -> tuple[int, Any]:
    return ReviewOptions(out=folder).run(*fixture.run())


def test_a_stack_as_its_settings_say_is_good_in_all_three(fixture: DoctorFixture, tmp_path: Path) -> None:
    assert [each.what for each in rows(fixture)[0].checks if each.status is not HealthStatus.GOOD] == []
    assert output.document(rows(fixture))["ok"] is True
    assert reviewed(fixture, tmp_path)[0] == 0
    assert diagnose(fixture.find(), RIGHTS_CHECKS).healthy


@pytest.mark.parametrize("name", FALSIFICATIONS)
def test_status_and_review_end_with_1_where_verify_does(fixture: DoctorFixture, tmp_path: Path, name: str) -> None:
    FALSIFICATIONS[name](fixture)
    of_status, of_review = output.document(rows(fixture)), reviewed(fixture, tmp_path)
    wrong = [check["what"] for check in of_status["stacks"][0]["checks"] if check["status"] == "wrong"]
    assert of_status["ok"] is False and wrong, of_status
    widened = [notice for notice in diagnose(fixture.find(), RIGHTS_CHECKS).notices if notice.state is State.WRONG]
    if name != KEEPS_OUT or widened:
        assert of_review[0] == 1, of_review[1]["notices"]


def test_status_ends_with_the_code_of_expired_credentials(fixture: DoctorFixture) -> None:
    fixture.aws.failures["account_id"] = CredentialsError("the session has expired", "aws sso login")
    fixture.aws.failures["caller"] = fixture.aws.failures["identify"] = fixture.aws.failures["account_id"]
    [row] = rows(fixture)
    assert row.exit_code == 3 and "expired" in row.why
    assert output.document([row])["ok"] is False
