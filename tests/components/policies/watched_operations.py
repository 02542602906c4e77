"""The operations of AWS that write: which rule of the alerts matches each, or why none does.

Reads botocore's list of operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import botocore.session
from botocore.model import ServiceModel

from components.policies.event_patterns import KEY_RULE, WATCHES, Watch

SERVICES: Mapping[str, str] = {
    "kms": "kms",
    "iam": "iam",
    "cloudtrail": "cloudtrail",
    "s3": "s3",
    "sns": "sns",
    "events": "events",
    "cloudwatch": "monitoring",
    "ssm": "ssm",
    "secretsmanager": "secretsmanager",
}
"""The services in which somebody can reach the data key or end an alert: botocore's name, and that of their events."""

_READS = ("Get", "List", "Describe", "Lookup", "Head", "Simulate", "Validate", "Verify", "Test", "Search", "BatchGet")
_USES_OF_A_KEY = (
    "Decrypt",
    "Encrypt",
    "ReEncrypt",
    "Generate",
    "Sign",
    "DeriveSharedSecret",
    "Decapsulate",
    "Encapsulate",
)

REASONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "kms": (
        (f"({'|'.join(_USES_OF_A_KEY)}).*", "a use of a key; the rule `denied-use` counts the refused ones"),
        ("CreateKey", "another key: the data key is not wrapped by it"),
        (".*CustomKeyStore", "the stack's keys are not in a custom key store"),
    ),
    "iam": (
        (
            "(Create|Delete|Update|Put)Group.*",
            "what a group may do: AddUserToGroup of the application's user is watched; for others see `review`",
        ),
        (
            ".*(SAMLProvider|ServerCertificate|AccountAlias|VirtualMFADevice|DelegationRequest)|(Tag|Untag)MFADevice"
            "|(Create|Delete|Tag|Untag)InstanceProfile|SendDelegationToken|AcquireRole",
            "names no role, user, policy or provider of the stack",
        ),
        ("CreateOpenIDConnectProvider", "a deleted provider is an alert before it is made again"),
        ("CreatePolicy", "a new policy gives nobody anything before it is attached"),
        ("CreateServiceLinkedRole", "a role of a service of AWS"),
        ("ChangePassword", "of the caller's own password"),
        (".*(AccountPasswordPolicy|AccountProperties)|SetSecurityTokenServicePreferences", "a setting of the account"),
        (".*(OrganizationsRoot|OutboundWebIdentity).*", "a setting of the organization or of the account"),
        ("Generate.*", "makes a report"),
    ),
    "cloudtrail": (
        (
            ".*(Channel|Dashboard|EventDataStore|Federation|Query|Import|ResourcePolicy).*",
            "of CloudTrail Lake, which the stack does not use",
        ),
        (".*OrganizationDelegatedAdmin", "a setting of the organization"),
    ),
    "s3": (
        (
            ".*(Object|Multipart|UploadPart)(?!LockConfiguration).*|CreateSession",
            "of single objects: Object Lock and the versions keep the logs; CloudTrail records it as a data event only",
        ),
        ("CreateBucket.*|UpdateBucketMetadata.*", "makes a bucket or a table beside it, and changes no log"),
    ),
    "sns": (
        ("Publish.*", "a message; the topic's policy says who sends one"),
        (".*(Platform|Endpoint|SMS|PhoneNumber).*", "of push messages to telephones"),
        ("CreateTopic", "another topic; a topic of the same name cannot be made"),
    ),
    "events": (
        (".*(Archive|Replay|ApiDestination|Connection|Endpoint|EventSource|PartnerEvents).*", "ends no rule"),
        (".*EventBus", "the default bus cannot be deleted"),
        ("PutEvents|.*Permission", "the default bus takes the events of AWS without a permission"),
        (".*agResource", "tags of a rule decide nothing"),
    ),
    "cloudwatch": (
        (".*agResource", "tags of an alarm decide nothing"),
        ("DeleteAlarmMuteRule", "ends a mute rule: alarms are sent again"),
        (
            ".*(Dataset|ResourceMetrics|AnomalyDetector|Dashboard|InsightRule|MetricDataQuery|MetricStream|OTel).*"
            "|PutMetricData",
            "names no alarm",
        ),
    ),
    "ssm": (
        (
            ".*(Command|Session|Automation|MaintenanceWindow|Document|Association|Patch|Inventory|Ops|Activation|Instance"
            "|DataSync|Compliance|ServiceSetting|HostManagement|CloudConnector|AccessRequest|ChangeRequest"
            "|ExecutionPreview).*",
            "names no parameter",
        ),
    ),
}
"""Why an operation that writes causes no alert: a regular expression for its whole name, and the reason."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation that writes."""

    service: str
    name: str
    rule: str
    """The rule that matches it; empty: none does."""
    parameter: str
    """The parameter that names it."""
    reason: str
    """Why none does; empty for one that is neither matched nor explained."""


def operations() -> Iterator[Operation]:
    """Every operation of the services that writes, by botocore's list."""
    for service, source in SERVICES.items():
        model = _service(service)
        for name in model.operation_names:
            if name.startswith(_READS):
                continue
            reason = _reason(service, name)
            watch = None if reason else _watch(service, source, name)
            rule, parameter = (watch.rule, watch.parameter) if watch else ("", "")
            if service == "kms" and not reason:
                rule, parameter = KEY_RULE, "keyId"
            yield Operation(service=service, name=name, rule=rule, parameter=parameter, reason=reason)


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def _watch(service: str, source: str, operation: str) -> Watch | None:
    for watch in WATCHES:
        if source in watch.services and _takes(service, operation, watch) and _is_of(operation, watch.operations):
            return watch
    return None


def _takes(service: str, operation: str, watch: Watch) -> bool:
    """Whether the request of an operation has the watched parameter."""
    shape = _service(service).operation_model(operation).input_shape
    for part in watch.parameter.split("."):
        # The event source of S3 has a name of its own for it.
        wanted = "bucket" if part == "bucketName" else part.lower()
        member = next((name for name in getattr(shape, "members", ()) if name.lower() == wanted), None)
        if member is None:
            return False
        shape = shape.members[member]
    return True


def _is_of(operation: str, patterns: tuple[object, ...]) -> bool:
    def matches(pattern: object) -> bool:
        assert isinstance(pattern, Mapping)
        if "prefix" in pattern:
            return operation.startswith(str(pattern["prefix"]))
        return not operation.startswith(str(pattern["anything-but"]["prefix"]))

    return not patterns or any(map(matches, patterns))


def _reason(service: str, operation: str) -> str:
    for pattern, reason in REASONS.get(service, ()):
        if re.fullmatch(pattern, operation):
            return reason
    return ""
