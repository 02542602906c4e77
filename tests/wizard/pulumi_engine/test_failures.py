"""The causes of a failed run, each on one line, from what the real provider and the engine print."""

from __future__ import annotations

import pytest

from wizard.pulumi_engine.events import MAKE_ROOM, PLUGIN_DIED, causes, next_step

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
