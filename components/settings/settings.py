"""The contract between the wizard, the stack's configuration and the Pulumi program: `Settings` in, `Outputs` out.

Pure. Every rule about a value is checked here, and all faults are reported together.
"""

import difflib
import json
import shlex
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from components.settings import values as fields
from components.settings.application import ApplicationSettings, partition_of
from components.settings.arn import Arn
from components.settings.names import ImportGroup, Names
from components.settings.stored_values import BY_VARIABLE, DATA_KEY_VARIABLE, OPTIONAL_VALUES, STORED_VALUES
from components.settings.variables import KEY_ID_VARIABLE, REGION_VARIABLE, VariableNames, faults_between

PROJECT = "eonpro-kms"
"""Name of the Pulumi project, hence the namespace of its configuration keys."""

APPLICATION_VARIABLES = (REGION_VARIABLE, KEY_ID_VARIABLE, DATA_KEY_VARIABLE)
"""The variables that every application reads.

They are delivered together: without the third it would create a new data key.
"""

POSSIBLE_VARIABLES = (*APPLICATION_VARIABLES, *(value.variable for value in OPTIONAL_VALUES))
"""All variables that an application may have."""

LOGS_KEY_ROTATION_DAYS = 365
"""Rotation period of the key of the audit logs, in days: the one that auditors expect."""

DELETION_WINDOW_DAYS = 30
"""Days between ScheduleKeyDeletion and the loss of the key: the longest that KMS offers."""

SHORTEST_RETENTION_DAYS = 2192
"""Six years, two of them leap years: 45 CFR 164.316(b)(2)(i), applied to audit logs by common practice."""

DEFAULT_RETENTION_DAYS = 2557
"""Seven years: one more than required."""


class Settings(ApplicationSettings):
    """The intended state of one environment. Frozen; the same before and after the stack's configuration."""

    variable_names: tuple[fields.VariableNameText, ...] = ()
    """Other names for the application's variables, each as NAME=OTHER, such as AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID, where
    something else in the application reads the usual one; the others keep the guide's."""
    hash_key: bool = False
    """Whether the search hashes have a wrapped key of their own, ENCRYPTED_PHI_HASH_KEY: then a rotation of the data
    key changes none of them."""
    keys_for_reading: bool = False
    """Whether the application has the keys that it tries beside the current one, in ENCRYPTED_PHI_KEYS_FOR_READING and
    with a hash key in ENCRYPTED_PHI_HASH_KEYS_FOR_READING; before a key is rotated, and only where it reads them."""
    key_check_value: bool = False
    """Whether the application has the key check value of each wrapped key (ENCRYPTED_PHI_KEY_CHECK_VALUE), with which
    phi refuses another key before it encrypts anything."""
    record_tables: tuple[fields.RecordTableText, ...] = ()
    """Tables of the application with PHI records, as SCHEMA.TABLE.KEY=COLUMN+COLUMN:HASH, where HASH is the column of
    its search hashes; a rotation of the data key waits for all of them."""

    # The application's documents in S3.
    document_buckets: tuple[fields.BucketName, ...] = ()
    """Names of the application's buckets with documents of patients. They stay the application's: the stack changes
    none of them."""
    documents_key: bool = False
    """Whether the documents have a KMS key of their own, which the application uses through S3 alone."""

    # The audit trail.
    existing_trail_arn: fields.TrailArn | None = None
    """ARN of a CloudTrail trail that already records management events; empty creates one."""
    trail_bucket: fields.BucketName | None = None
    """Name of the bucket for the trail's logs, or of the existing trail's; empty derives one from account and
    Region."""
    trail_retention_days: int = Field(default=DEFAULT_RETENTION_DAYS, ge=SHORTEST_RETENTION_DAYS, le=36500)
    """Days of retention of the trail's logs, at least 2192 (six years)."""
    trail_key: bool = True
    """Whether the logs are encrypted under a separate KMS key."""
    trail_lock: fields.ObjectLock = fields.ObjectLock.GOVERNANCE
    """S3 Object Lock of the logs: none, governance, or compliance (which nobody can undo)."""
    trail_archive_days: int = Field(default=365, ge=0, le=36500)
    """Days after which the logs move to cheaper storage, at least 90; 0 for never."""
    access_logging: bool = True
    """Whether S3 logs the requests to the trail's bucket, in a separate bucket."""
    cloudwatch_logs: bool = False
    """Whether the trail's events go to CloudWatch Logs too, for a year."""
    alerts: bool = True
    """Whether changes of the key, the access to it, the trail and the alerts, and bursts of denied use, are published
    to a topic; those that would stop the alerts also to a second one."""
    backup_max_age_days: int = Field(default=92, ge=1, le=3660)
    """Days that a backup of the wrapped data key, and the drill that opened it, may be old."""
    alert_emails: tuple[fields.Email, ...] = ()
    """E-mail addresses that get the alerts; each has to confirm two messages from AWS, one for each topic."""

    # What existed before the stack and was imported.
    adopted: tuple[fields.Adopted, ...] = ()
    """Existing resources that the stack imports instead of creating them, as kind=id."""
    kept_as_found: tuple[ImportGroup, ...] = ()
    """Imported groups of resources that no update changes."""

    _variable: str = PrivateAttr(default=DATA_KEY_VARIABLE)
    """The wrapped key that `names` belong to."""

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        faults = [*self._account_faults(), *self._key_faults(), *self.target_faults(), *self._trail_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _account_faults(self) -> list[str]:
        faults = []
        for name, value in self:
            for arn in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
                # An organization's trail belongs to another account.
                if name == "existing_trail_arn" or not (named := Arn.find(arn)):
                    continue
                if named.account != self.account_id:
                    faults.append(f"{to_camel(name)}: {arn} belongs to another account than {self.account_id}")
                elif named.partition != self.partition:
                    faults.append(
                        f"{to_camel(name)}: {arn} is in another partition than {self.region} ({self.partition})"
                    )
        return faults

    def _key_faults(self) -> list[str]:
        faults = []
        if not (self.administrators or self.administrator_patterns):
            faults.append("administrators: name at least one, or a pattern of roles in administratorPatterns")
        for arn in (*self.administrators, *self.deletion_administrators, *self.incident_responders):
            if arn == self.app_principal_arn:
                faults.append(f"appPrincipalArn: {arn} cannot be both the application and a key administrator")
        if self.incident_responders and not self.usage_guard_days:
            faults.append("incidentResponders needs usageGuardDays: without it every administrator can disable the key")
        if self.strict_key_policy and len(self.administrators) < 2:
            faults.append(
                "strictKeyPolicy needs at least two administrators: without the account's IAM, "
                "nobody can manage a key whose only administrator is deleted"
            )
        if self.replica_regions and not self.multi_region:
            faults.append("replicaRegions needs multiRegion, which cannot be changed after the key is created")
        for region in self.replica_regions:
            if region == self.region:
                faults.append(f"replicaRegions: {region} is the key's own Region")
            elif partition_of(region) != self.partition:
                faults.append(f"replicaRegions: {region} is in another partition than {self.region}")
        return faults

    def _trail_faults(self) -> list[str]:
        faults = list(faults_between(self.variable_names))
        if self.existing_trail_arn and not self.trail_bucket:
            faults.append("existingTrailArn needs trailBucket, the bucket that this trail writes to")
        if len(self.names.trail_bucket) > 63:
            faults.append(f"the bucket name {self.names.trail_bucket} is longer than 63 characters: set trailBucket")
        logs = self.names.access_log_bucket
        if self.makes_trail and self.access_logging and len(logs) > 63:
            faults.append(f"the bucket name {logs} is longer than 63 characters: shorten application or environment")
        if self.documents_key and not self.document_buckets:
            faults.append("documentsKey needs documentBuckets, the buckets whose objects it encrypts")
        for bucket in self.document_buckets:
            if bucket in (self.names.trail_bucket, self.names.access_log_bucket):
                faults.append(f"documentBuckets: {bucket} is a bucket of the audit trail")
        if self.alert_emails and not self.alerts:
            faults.append("alertEmails needs alerts")
        kinds = [adopted.partition("=")[0] for adopted in self.adopted]
        if len(set(kinds)) < len(kinds):
            faults.append("adopted: one kind of resource has two ids")
        if 0 < self.trail_archive_days < 90:
            faults.append("trailArchiveDays: the cheaper storage bills at least 90 days; use 0 (never), or 90 or more")
        return faults

    @property
    def iam_region(self) -> str:
        """The Region of the requests to IAM and of their events; it does not depend on the stack's Region.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
        """
        return {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}[self.partition]

    @property
    def names(self) -> Names:
        """The names of this environment's resources."""
        return Names.of(
            account_id=self.account_id,
            region=self.region,
            environment=self.environment,
            application=self.application,
            trail_bucket=self.trail_bucket,
            value=BY_VARIABLE[self._variable],
        )

    def of_key(self, variable: str) -> Self:
        """These settings with the names of another wrapped key: commands with them act on that key."""
        settings = self.model_copy()
        settings._variable = variable
        return settings

    @property
    def wrapped_keys(self) -> tuple[str, ...]:
        """The variables of the wrapped keys that the application has; the data key first."""
        return tuple(each.variable for each in STORED_VALUES if each.setting is None or getattr(self, each.setting))

    @property
    def of_each_key(self) -> tuple[Self, ...]:
        """These settings for each wrapped key that the application has; those of the data key first."""
        return tuple(map(self.of_key, self.wrapped_keys))

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that the application reads, delivered together, by the guide's names; their parameters have
        these names too.
        """
        values = [BY_VARIABLE[variable] for variable in self.wrapped_keys]
        checks = [value.check_value for value in values if self.key_check_value]
        lists = [value.reading for value in values if self.keys_for_reading]
        return (*APPLICATION_VARIABLES, *self.wrapped_keys[1:], *checks, *lists)

    @property
    def delivered_names(self) -> VariableNames:
        """The names of the variables where the application runs."""
        return VariableNames.of(self.variable_names)

    @property
    def delivered_variables(self) -> dict[str, str]:
        """The names that the application reads, and the guide's name of each, in the same order."""
        return {self.delivered_names[variable]: variable for variable in self.variables}

    @property
    def makes_trail(self) -> bool:
        """Whether the stack has a trail and a bucket of its own."""
        return self.existing_trail_arn is None

    @property
    def owns_trail(self) -> bool:
        """Whether an update of the stack can change the trail."""
        return self.makes_trail and ImportGroup.TRAIL not in self.kept_as_found

    @property
    def owns_bucket(self) -> bool:
        """Whether an update of the stack can change the trail's bucket."""
        return self.makes_trail and ImportGroup.BUCKET not in self.kept_as_found

    @property
    def app_principal_arns(self) -> tuple[str, ...]:
        """The ARNs of the application's principals, also before they are created; the role before the user."""
        return tuple(
            filter(
                None,
                (
                    self.app_principal_arn,
                    self.arn("iam", f"role/{self.names.app_role}") if self.makes_role else None,
                    self.arn("iam", f"user/{self.names.app_user}") if self.makes_user else None,
                ),
            )
        )

    @classmethod
    def read(cls, values: Mapping[str, Any], *, deployed: bool = False) -> Self:
        """Settings from values by field name; of a `deployed` stack also with root among its administrators.

        Raises ContractError with every fault.
        """
        try:
            return cls.model_validate(dict(values), context={fields.DEPLOYED: deployed})
        except ValidationError as error:
            raise fields.ContractError(_faults(error)) from error

    def to_config(self) -> dict[str, str | int | bool | list[str]]:
        """The stack configuration, by full key. Nothing in it is secret.

        Defaults are omitted, so that the file shows the decisions; the answers to questions are always written.
        """
        config: dict[str, str | int | bool | list[str]] = {
            "aws:region": self.region,
            "aws:allowedAccountIds": [self.account_id],
        }
        dumped = self.model_dump(exclude={"region"}, exclude_none=True, mode="json", by_alias=True)
        # One default follows another value: the application's name.
        written = _ALWAYS_SAVED | {
            to_camel(name)
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.get_default(call_default_factory=True, validated_data=dict(self))
        }
        config.update({f"{PROJECT}:{field}": value for field, value in dumped.items() if field in written})
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, str | None], *, deployed: bool = False) -> Self:
        """Settings from stack configuration, as the engine gives it: strings, lists in JSON; empty means unset.

        Keys of other namespaces than the project's are ignored, except `aws:region`. `deployed` as for `read`.
        Raises ContractError with every fault, each under the name of its key.
        """
        values: dict[str, Any] = {"region": config.get("aws:region") or ""}
        no_lists: dict[str, str] = {}
        for key, text in config.items():
            namespace, _, field = key.partition(":")
            if namespace != PROJECT or text in (None, "", "[]"):
                continue
            values[field] = _from_json(text) if field in LISTS else text
            if values[field] is None:
                no_lists[field] = (
                    f"{text!r} is not a list; set its members: pulumi config set --path '{PROJECT}:{field}[0]' …"
                )
        try:
            return cls.read(values, deployed=deployed)
        except fields.ContractError as error:
            # These messages say more than "wrong type" or "unknown name".
            better = no_lists | dict.fromkeys(REMOVED_KEYS, "no longer exists: no application can use it")
            raise fields.ContractError(
                tuple((field, better.get(field, fault)) for field, fault in error.faults)
            ) from error.__cause__


_ALWAYS_SAVED = frozenset(
    ("environment", "rotationPeriodDays", "trailRetentionDays", "multiRegion", "vercelAccess", "secretStore")
)

LISTS = tuple(
    to_camel(name) for name, field in Settings.model_fields.items() if str(field.annotation).startswith("tuple")
)
"""The configuration keys whose values are lists."""

CONFIG_KEYS = tuple(to_camel(field) for field in Settings.model_fields if field != "region")
"""The project's own configuration keys, without the namespace."""

REMOVED_KEYS = ("encryptionContext", "viaServices")
"""Configuration keys of earlier versions. The application sends no encryption context and calls KMS directly."""


def similar(field: str) -> str | None:
    """The configuration key that somebody meant who wrote another; None where none is near."""
    return next(iter(difflib.get_close_matches(field, CONFIG_KEYS, n=1, cutoff=0.8)), None)


def correction(field: str, stack: str, value: str | None = None) -> tuple[tuple[str, ...], ...]:
    """The words of Pulumi commands that correct a field of a stack's configuration; none for a fault between fields.

    A value under a mistyped key moves to the key that was meant.
    """
    if field == "settings":
        return ()
    if field != "region" and field not in CONFIG_KEYS:
        away = ("pulumi", "config", "rm", "--stack", stack, f"{PROJECT}:{field}")
        near = None if field in REMOVED_KEYS else similar(field)
        if near is None or near in LISTS or not value:
            return (away,)
        return away, ("pulumi", "config", "set", "--stack", stack, f"{PROJECT}:{near}", value)
    key = "aws:region" if field == "region" else f"{PROJECT}:{field}"
    where = ("--path", f"{key}[N]") if field in LISTS else (key,)
    return (("pulumi", "config", "set", "--stack", stack, *where, "VALUE"),)


def correction_line(field: str, stack: str) -> str:
    """The commands of `correction` as one line of a shell; empty for none."""
    return " && ".join(map(shlex.join, correction(field, stack)))


def _from_json(text: str | None) -> list[Any] | None:
    try:
        value = json.loads(text or "")
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _with_field(fault: str) -> tuple[str, str]:
    """A fault between fields, with the field name that it begins with, if any."""
    field, colon, rest = fault.partition(": ")
    return (field, rest) if colon and field in CONFIG_KEYS else ("settings", fault)


def _faults(error: ValidationError) -> tuple[tuple[str, str], ...]:
    details = [detail for detail in error.errors() if detail["type"] != fields.FOLLOWS_A_FAULT]
    wrong_members = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    faults: list[tuple[str, str]] = []
    for detail in details:
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        # A list that is empty because all members were refused needs no second fault.
        if detail["type"] == "too_short" and name in wrong_members:
            continue
        if detail["type"] == "missing" or (name == "region" and detail["input"] == ""):
            faults.append((to_camel(name), "is missing"))
        else:
            text = "there is no such setting" if detail["type"] == "extra_forbidden" else fields.in_words(detail)
            if detail["type"] == "extra_forbidden" and (near := similar(name)):
                text += f": did you mean {near}?"
            faults += (
                [_with_field(fault) for fault in text.split("; ")] if name == "settings" else [(to_camel(name), text)]
            )
    return tuple(faults)
