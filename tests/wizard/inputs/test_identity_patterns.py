"""The pattern of a permission set's roles."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from wizard.inputs.answers import sso_pattern

ACCOUNT = "111122223333"
IAM = f"arn:aws:iam::{ACCOUNT}:role"
PATH = f"{IAM}/aws-reserved/sso.amazonaws.com"
PATTERN = f"{PATH}/*AWSReservedSSO_KeyAdmin_????????????????"


@pytest.mark.parametrize(
    "arn",
    [
        f"{PATH}/eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef",
        f"{PATH}/AWSReservedSSO_KeyAdmin_0123456789abcdef",  # us-east-1 is no part of the path
        f"{IAM}/AWSReservedSSO_KeyAdmin_0123456789abcdef",  # of a caller who may not ask for the path
    ],
)
def test_a_role_of_identity_center_gives_its_permission_sets_pattern(arn):
    assert sso_pattern(arn) == PATTERN


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_the_partition_is_the_roles_own(partition):
    arn = f"{PATH}/us-gov-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef".replace("arn:aws:", f"arn:{partition}:")
    assert sso_pattern(arn) == PATTERN.replace("arn:aws:", f"arn:{partition}:")


@pytest.mark.parametrize(
    "arn",
    [
        f"{IAM}/KeyAdmin",
        f"{IAM}/ci/AWSReservedSSO_KeyAdmin_0123456789abcdef",
        f"{IAM}/AWSReservedSSO_KeyAdmin",
        f"{IAM}/NotAWSReservedSSO_KeyAdmin_0123456789abcdef",
        f"{PATH}/eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef/more",
        f"{PATH}/eu-west-1/AWSReservedSSO_*_0123456789abcdef",
        f"{PATH}/eu-west-1/AWSReservedSSO_Key?Admin_0123456789abcdef",
        f"arn:aws:iam::{ACCOUNT}:user/AWSReservedSSO_KeyAdmin_0123456789abcdef",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_KeyAdmin_0123456789abcdef/ana",
        f"arn:aws:iam::{ACCOUNT}:root",
        "",
    ],
)
def test_any_other_principal_has_none(arn):
    assert sso_pattern(arn) is None


@pytest.mark.parametrize("region", ["", "eu-west-1/"])
def test_the_pattern_is_of_that_permission_set_in_that_account_alone(region):
    pattern = sso_pattern(f"{PATH}/{region}AWSReservedSSO_KeyAdmin_0123456789abcdef") or ""
    role = f"{PATH}/{region}AWSReservedSSO_KeyAdmin_fedcba9876543210"
    assert fnmatchcase(role, pattern)
    for other in (
        role.replace("KeyAdmin", "ReadOnly"),
        role.replace(ACCOUNT, "999999999999"),
        role.replace("aws-reserved/sso.amazonaws.com/", ""),
    ):
        assert not fnmatchcase(other, pattern)
