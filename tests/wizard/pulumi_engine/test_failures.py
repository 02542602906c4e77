"""The causes of a failed run, each on one line, from what the real provider and the engine print."""

from __future__ import annotations

import pytest

from wizard.core.errors import PermissionDenied, StalePlan
from wizard.pulumi_engine.events import MAKE_ROOM, PLUGIN_DIED, Watch, causes, next_step, run_error

KEY = "urn:pulumi:production::eonpro-kms::eonpro:kms:PhiKey$aws:kms/key:Key::phi-key"
REFUSED = "creating KMS Key (7f2c): key rotation: AccessDeniedException: User is not authorized to perform this"
SDK_1 = f"{REFUSED}\n\tstatus code: 400, request id: 9a1c-22"
SDK_2 = (
    "creating KMS Alias (alias/x): operation error KMS: CreateAlias, https response error StatusCode: 400, "
    "RequestID: 9a1c-22, AlreadyExistsException: An alias with the name exists already"
)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (SDK_1, REFUSED),
        (
            SDK_2,
            "creating KMS Alias (alias/x): operation error KMS: CreateAlias, AlreadyExistsException: An alias with the "
            "name exists already",
        ),
    ],
    ids=["SDK 1", "SDK 2"],
)
def test_an_error_of_the_real_provider_is_one_line_with_its_cause(said: str, line: str) -> None:
    logged = f"sdk-v2/provider2.go:572: sdk.helper_schema: {said}: provider=aws@7.51.1"
    returned = f"1 error occurred:\n\t* creating {KEY}: 1 error occurred:\n\t* {said}\n\n\n"
    bare = f"creating {KEY}: 1 error occurred:\n\t* {said}\n\n"
    assert causes([logged, returned, bare]) == [line]


def test_each_of_two_errors_of_one_resource_is_a_line() -> None:
    said = f"creating {KEY}: 2 errors occurred:\n\t* the first\n\t* the second\n\n"
    assert causes([said]) == ["the first", "the second"]


def test_a_plugin_that_was_killed_is_one_cause_and_the_same_command_goes_on() -> None:
    said = [
        "error reading from server: EOF",
        'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:4: connect: connection refused"',
        "Detected that /home/plugins/pulumi-resource-aws exited prematurely.\n This is *always* a bug in the provider.",
    ]
    assert causes(said) == [PLUGIN_DIED]
    assert next_step(causes(said)).startswith("run the same command again")


def test_a_full_disk_of_the_state_is_named_by_its_folder() -> None:
    place = "/backups/.pulumi/stacks/eonpro-kms"
    said = (
        "pre-step event returned an error: failed to save snapshot: An IO error occurred while writing the new "
        'snapshot file: blob (key ".pulumi/stacks/eonpro-kms/production.json") (code=Unknown): write '
        f"{place}/production.json.18ec7ae412137e38.tmp: no space left on device"
    )
    other = said.replace("pre-step", "resource complete").replace("18ec7ae412137e38", "18ec7aeb931a37b8")
    lines = causes([said, other])
    assert lines == [f"the disk with the stack's state is full: {place}"]
    assert next_step(lines) == MAKE_ROOM


def test_an_error_without_any_wrapping_stays_as_it_is() -> None:
    assert causes(["AccessDenied: kms:CreateKey"]) == ["AccessDenied: kms:CreateKey"]


USER = "User: arn:aws:iam::123456789012:user/op is not authorized to perform:"
BUCKET, GROUP = "arn:aws:s3:::eonpro-logs", "arn:aws:logs:us-east-1:123456789012:log-group:eonpro"
OWNERSHIP = (
    "reading S3 Bucket Ownership Controls (eonpro-logs): operation error S3: GetBucketOwnershipControls, "
    f"https response error StatusCode: 403, RequestID: 9a1c, HostID: x, api error AccessDenied: {USER} "
    f's3:GetBucketOwnershipControls on resource: "{BUCKET}" because no identity-based policy allows the '
    "s3:GetBucketOwnershipControls action"
)
TAGS = (
    f"listing tags for CloudWatch Logs Log Group (eonpro): AccessDeniedException: {USER} logs:ListTagsLogGroup "
    f"on resource: {GROUP} because no identity-based policy allows the logs:ListTagsLogGroup action\n"
    "\tstatus code: 400, request id: 9a1c-22"
)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            OWNERSHIP,
            f"AWS refused s3:GetBucketOwnershipControls on {BUCKET} because no identity-based policy allows the "
            "s3:GetBucketOwnershipControls action",
        ),
        (
            TAGS,
            f"AWS refused logs:ListTagsLogGroup on {GROUP} because no identity-based policy allows the "
            "logs:ListTagsLogGroup action",
        ),
    ],
    ids=["SDK 2", "SDK 1"],
)
def test_a_refused_refresh_names_the_action_and_its_resource_and_the_policy_that_has_it(said: str, line: str) -> None:
    watch = Watch(None)
    watch.complaints = [
        (KEY, f"sdk-v2/provider2.go:572: sdk.helper_schema: {said}: provider=aws@7.51.1"),
        (KEY, f"refreshing {KEY}: 1 error occurred:\n\t* {said}\n\n"),
        ("", f"Preview failed: refreshing {KEY}: {said}"),
    ]
    error = run_error("production", watch, was_interrupted=False, text="code: 255\nstderr: error")
    assert isinstance(error, PermissionDenied) and error.message == line
    assert str(error.hint).startswith("python -m wizard policy operator") and "--with-removal" not in error.hint


@pytest.mark.parametrize("bound", [True, False])
def test_a_plan_under_the_secrets_of_another_run_no_longer_fits(bound: bool) -> None:
    watch = Watch(None)
    watch.bound = bound
    text = "code: 255\nstderr: error: decrypting secret value: cipher: message authentication failed"
    error = run_error("production", watch, was_interrupted=False, text=text)
    assert isinstance(error, StalePlan) is bound


def test_the_same_refusal_for_several_resources_is_one_line() -> None:
    lines = causes([TAGS.replace(GROUP, f"{GROUP}-{number}") for number in range(5)])
    assert lines == [
        f"AWS refused logs:ListTagsLogGroup on {GROUP}-0, {GROUP}-1, {GROUP}-2 and 2 more because no identity-based "
        "policy allows the logs:ListTagsLogGroup action"
    ]


def test_a_refused_deletion_names_the_policy_with_the_removal() -> None:
    assert "policy operator --with-removal" in next_step(causes([TAGS]), deletes=True)


def test_a_refusal_by_the_organization_is_for_its_administrators() -> None:
    said = TAGS.replace("because no identity-based policy allows", "because no service control policy allows")
    assert next_step(causes([said])).startswith(
        "the organization's service control policy forbids logs:ListTagsLogGroup"
    )


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
def test_a_session_that_ends_in_the_middle_is_signed_in_again(code: str) -> None:
    said = (
        f"creating CloudTrail Trail (t): operation error CreateTrail, api error {code}: The security token is expired"
    )
    assert next_step(causes([said])).startswith("run the same command again: it first says how to sign in")
