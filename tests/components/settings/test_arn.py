"""An ARN as a value: each field of the forms that the product meets, and what is none.

Pure.
"""

import pytest

from components.settings.arn import Arn, fields_of, resource_name, resource_of

KEY = "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd"
ROLE = "arn:aws:iam::123456789012:role/service-role/eonpro-app-role"


@pytest.mark.parametrize(
    ("text", "region", "account", "kind", "path", "name"),
    [
        (KEY, "us-east-1", "123456789012", "key", "mrk-1234abcd", "mrk-1234abcd"),
        (ROLE, "", "123456789012", "role", "service-role/eonpro-app-role", "eonpro-app-role"),
        ("arn:aws:iam::123456789012:root", "", "123456789012", "root", "", "root"),
        ("arn:aws:s3:::clinic-logs", "", "", "clinic-logs", "", "clinic-logs"),
        ("arn:aws:sns:eu-west-1:123456789012:alerts", "eu-west-1", "123456789012", "alerts", "", "alerts"),
        (
            "arn:aws:iam::123456789012:oidc-provider/oidc.vercel.com/eonpro",
            *("", "123456789012", "oidc-provider", "oidc.vercel.com/eonpro", "eonpro"),
        ),
        (
            "arn:aws:logs:us-east-1:123456789012:log-group:/eonpro/trail",
            *("us-east-1", "123456789012", "log-group", "/eonpro/trail", "trail"),
        ),
        (
            "arn:aws:ecs:us-east-1:123456789012:task-definition/portal:7",
            *("us-east-1", "123456789012", "task-definition", "portal:7", "portal:7"),
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/admin/ada",
            *("", "123456789012", "assumed-role", "admin/ada", "ada"),
        ),
    ],
)
def test_an_arn_has_its_fields_and_is_written_as_it_was_read(
    text: str, region: str, account: str, kind: str, path: str, name: str
) -> None:
    arn = Arn.parse(text)
    assert (arn.region, arn.account, arn.kind, arn.path, arn.name) == (region, account, kind, path, name)
    assert str(arn) == text


def test_a_replica_has_the_arn_of_its_primary_in_another_region() -> None:
    assert str(Arn.parse(KEY).with_region("eu-west-1")) == "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd"


def test_another_partition_keeps_its_name() -> None:
    alias = Arn.parse(KEY.replace("arn:aws:", "arn:aws-us-gov:")).with_resource("alias/eonpro-phi-key")
    assert str(alias) == "arn:aws-us-gov:kms:us-east-1:123456789012:alias/eonpro-phi-key"


@pytest.mark.parametrize(
    "text", ["", "mrk-1234abcd", "alias/eonpro-phi-key", "arn:aws:kms", "urn:a:b:c:d:e", "a:b:c:d:e:f"]
)
def test_what_is_no_arn_is_refused_by_its_text(text: str) -> None:
    assert Arn.find(text) is None
    with pytest.raises(ValueError, match="is not an ARN"):
        Arn.parse(text)
    assert (resource_name(text), resource_of(text)) == (text, text)


def test_a_pattern_of_arns_has_fields_too() -> None:
    assert fields_of("*:aws:iam::*:role/a:b") == ("*", "aws", "iam", "", "*", "role/a:b")
    assert fields_of("*") == ("*",)


def test_a_resource_is_named_with_or_without_its_path() -> None:
    assert (resource_name(ROLE), resource_of(ROLE)) == ("eonpro-app-role", "role/service-role/eonpro-app-role")
