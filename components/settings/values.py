"""The types of the values in the settings: text with a rule, and a message where a value breaks it.

Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ValidationInfo

from components.settings.names import ResourceKind
from components.settings.variables import fault_of_pair

_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-us-gov|aws-cn):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>[0-9]{12}):(?P<rest>.+)"
)
_PRINCIPAL = re.compile(r"root|(user|role)/[\w+=,.@/-]+", re.ASCII)
_ROLE_PATTERN = re.compile(r"role/(?=[^*?]*[A-Za-z0-9])[\w+=,.@/*?-]+", re.ASCII)
_BUCKET = re.compile(r"(?!xn--|sthree-)[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9](?<!-s3alias)")
_RECORD_TABLE = re.compile(
    r"(?P<table>\w+(?:\.\w+)?)\.(?P<key>\w+)=(?P<columns>\w+(?::\w+)?(?:\+\w+(?::\w+)?)*)"
    r"(?:@(?P<tenant>\w+))?(?:/(?P<bind>row|column))?"
)


class ContractError(ValueError):
    """Settings that cannot be used. `faults`: (field, its fault) for each of them."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{field}: {fault}" for field, fault in faults))


_NEEDED = (
    ("int_", "a whole number"),
    ("bool_", "true or false"),
    ("string_", "text"),
    ("list_", "a list"),
    ("tuple_", "a list"),
)
"""The beginning of pydantic's types of errors (https://docs.pydantic.dev/latest/errors/validation_errors/)."""


FOLLOWS_A_FAULT = "default_factory_not_called"
"""pydantic's type for a default that is another field's value while some field has a fault: it is none of its own."""


def in_words(detail: Mapping[str, Any]) -> str:
    """The fault of a value, from one of the `errors()` of a ValidationError, without pydantic's own sentences."""
    kind, value, limits = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "enum":
        return f"{value!r} is not one of {str(limits['expected']).replace(' or ', ', ')}"
    if kind == "greater_than_equal":
        return f"{value} is less than {limits['ge']}"
    if kind == "less_than":
        return f"{value} is more than {limits['lt'] - 1}"
    if kind == "less_than_equal":
        return f"{value} is more than {limits['le']}"
    if kind == "too_short":
        return "is empty"
    needed = next((needed for beginning, needed in _NEEDED if kind.startswith(beginning)), None)
    return f"{value!r} is not {needed}" if needed else str(detail["msg"]).removeprefix("Value error, ")


class SecretStore(StrEnum):
    """The AWS store of the wrapped data key, from which ECS and EKS read the variables."""

    PARAMETER_STORE = "parameter-store"
    SECRETS_MANAGER = "secrets-manager"

    @property
    def service(self) -> str:
        """The store by AWS's name."""
        return "Secrets Manager" if self is SecretStore.SECRETS_MANAGER else "Parameter Store"


class ObjectLock(StrEnum):
    """Whether the audit trail's records can be deleted before their time (S3 Object Lock)."""

    NONE = "none"
    GOVERNANCE = "governance"
    """Records can be deleted only with the permission s3:BypassGovernanceRetention."""
    COMPLIANCE = "compliance"
    """Nobody can delete records, not even the account's root or AWS. It cannot be undone."""


def iam_resource(arn: str) -> str:
    """The kind and the name of a resource of IAM, `role/NAME`; empty for another text than its ARN."""
    named = _ARN.fullmatch(arn)
    return named["rest"] if named and named["service"] == "iam" and not named["region"] else ""


def _account(value: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError(f"{value!r} is not an AWS account id (12 digits)")
    return value


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", value):
        raise ValueError(f"{value!r} is not an AWS Region name such as us-east-1")
    return value


def _environment(value: str) -> str:
    if not re.fullmatch(r"[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?", value):
        raise ValueError(
            f"{value!r} is not an environment name: up to 16 lower-case letters, digits and hyphens, a letter first"
        )
    return value


def _application_name(value: str) -> str:
    # Without a hyphen no name of one application is ever a name of another: the first word of each is the application.
    if not re.fullmatch(r"[a-z][a-z0-9]{1,19}", value):
        raise ValueError(
            f"{value!r} is not an application's name: 2 to 20 lower-case letters and digits, a letter first, no hyphen"
        )
    if value.startswith(("aws", "ssm")) or value == "sthree":
        raise ValueError(f"{value!r} cannot be an application's name: AWS keeps names that begin so for itself")
    return value


def _principal(value: str) -> str:
    if "*" in value:
        raise ValueError(f"{value!r} has a wildcard; KMS accepts no wildcard in a principal's ARN")
    arn = _ARN.fullmatch(value)
    if arn is None or arn["service"] != "iam" or arn["region"] or not _PRINCIPAL.fullmatch(arn["rest"]):
        raise ValueError(
            f"{value!r} is not the ARN of an IAM user or role, such as arn:aws:iam::111122223333:role/admin"
        )
    return value


PLACEHOLDERS = ("CLUSTER", "NAME", "VALUE")
"""The placeholder of a name in a printed command. No other value has its form."""

DEPLOYED = "deployed"
"""Key in the context of a validation: the settings belong to a deployed stack, and are only read."""


def _administrator(value: str, info: ValidationInfo) -> str:
    # A stack that names root can still be read, for `status` and `doctor`; it cannot be updated.
    if _principal(value).endswith(":root") and not (info.context or {}).get(DEPLOYED):
        raise ValueError(
            f"{value!r} is the account's root user, which cannot be a key administrator: "
            "name IAM roles or users instead"
        )
    return value


def _application(value: str) -> str:
    if _principal(value).endswith(":root"):
        raise ValueError("the account's root user cannot be the application")
    return value


def _role(value: str) -> str:
    if ":role/" not in _principal(value):
        raise ValueError(f"{value!r} is not the ARN of an IAM role")
    return value


def _trail(value: str) -> str:
    arn = _ARN.fullmatch(value)
    if arn is None or arn["service"] != "cloudtrail" or not arn["rest"].startswith("trail/"):
        raise ValueError(f"{value!r} is not the ARN of a CloudTrail trail")
    return value


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise ValueError(f"{value!r} is not an S3 bucket name: 3 to 63 lower-case letters, digits and hyphens")
    return value


def _role_pattern(value: str) -> str:
    if not _ROLE_PATTERN.fullmatch(iam_resource(value)):
        raise ValueError(
            f"{value!r} is not a pattern of role ARNs in one account, such as "
            "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????"
        )
    return value


def _policy(value: str) -> str:
    if not re.fullmatch(r"policy/[\w+=,.@/-]+", iam_resource(value), re.ASCII):
        raise ValueError(f"{value!r} is not the ARN of a managed IAM policy of one account")
    return value


def _adopted(value: str) -> str:
    kind, equals, id_ = value.partition("=")
    if kind not in tuple(ResourceKind) or not equals or not id_ or not id_.isprintable() or " " in id_:
        raise ValueError(
            f"{value!r} is not a kind of resource and its id, such as key=1234abcd-12ab-34cd-56ef-1234567890ab"
        )
    return value


@dataclass(frozen=True, kw_only=True)
class RecordTable:
    """A table of the application with PHI records: `SCHEMA.TABLE.KEY=COLUMN+COLUMN:HASH@TENANT/row` or less of it."""

    table: str
    key_column: str
    columns: tuple[str, ...]
    hashes: Mapping[str, str]
    """The column of search hashes, by the column of their texts."""
    tenant_column: str = ""
    """The column that names each row's tenant, whose key its records are under; empty without tenants."""
    bind: str = ""
    """What its records are bound to: `row`, `column`, or nothing."""

    @classmethod
    def parse(cls, value: str) -> Self:
        """Raises ValueError for another form. Names are as in the database, without quotes, spaces and signs."""
        if not (parts := _RECORD_TABLE.fullmatch(value)):
            raise ValueError(
                f"{value!r} is not a table with its key column, its columns of records and their hash columns, such as "
                "Patient.id=firstName+email:emailHash+dob:dobHash, perhaps with the column of its tenant and what they "
                "are bound to: @clinicId/row"
            )
        pairs = [column.partition(":") for column in parts["columns"].split("+")]
        return cls(
            table=parts["table"],
            key_column=parts["key"],
            columns=tuple(name for name, _, _ in pairs),
            hashes={name: hash_column for name, _, hash_column in pairs if hash_column},
            tenant_column=parts["tenant"] or "",
            bind=parts["bind"] or "",
        )


def _record_table(value: str) -> str:
    RecordTable.parse(value)
    return value


def _variable_name(value: str) -> str:
    if fault := fault_of_pair(value):
        raise ValueError(fault)
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s,;<>\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise ValueError(f"{value!r} is not an e-mail address")
    return value


AccountId = Annotated[str, AfterValidator(_account)]
Region = Annotated[str, AfterValidator(_region)]
Environment = Annotated[str, AfterValidator(_environment)]
ApplicationName = Annotated[str, AfterValidator(_application_name)]
PrincipalArn = Annotated[str, AfterValidator(_principal)]
AdministratorArn = Annotated[str, AfterValidator(_administrator)]
RolePattern = Annotated[str, AfterValidator(_role_pattern)]
ApplicationArn = Annotated[str, AfterValidator(_application)]
RoleArn = Annotated[str, AfterValidator(_role)]
PolicyArn = Annotated[str, AfterValidator(_policy)]
TrailArn = Annotated[str, AfterValidator(_trail)]
BucketName = Annotated[str, AfterValidator(_bucket)]
Email = Annotated[str, AfterValidator(_email)]
RecordTableText = Annotated[str, AfterValidator(_record_table)]
VariableNameText = Annotated[str, AfterValidator(_variable_name)]
Adopted = Annotated[str, AfterValidator(_adopted)]
