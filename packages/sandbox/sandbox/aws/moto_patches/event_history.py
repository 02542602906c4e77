"""The record of calls, and AWS's data from it: event history, a key's last usage.

Keeps the record in this process.
"""

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.kms.models import Key

from sandbox.arns import name_of
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.kms import named_keys
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

REMEMBERED_EVENTS = 20_000
_PAGE = 50
_DAY = 86_400
_READ_ONLY_PREFIXES = ("Assume", "Batch", "CheckNo", "Decrypt", "Describe", "Encrypt", "Generate", "Get", "Head",
            "List", "Lookup", "ReEncrypt", "Simulate", "Validate")  # fmt: skip
# The parameters that name a call's resource, in the services that the product uses.
_RESOURCE_PARAMETERS = (
    "KeyId",
    "TargetKeyId",
    "AliasName",
    "RoleName",
    "UserName",
    "PolicyArn",
    "Name",
    "SecretId",
    "RoleArn",
)
_ATTRIBUTES: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "AccessKeyId": lambda event: (event["AccessKeyId"],),
    "EventId": lambda event: (event["EventId"],),
    "EventName": lambda event: (event["EventName"],),
    "EventSource": lambda event: (event["EventSource"],),
    "ReadOnly": lambda event: (event["ReadOnly"],),
    "ResourceName": lambda event: tuple(item["ResourceName"] for item in event["Resources"]),
    "Username": lambda event: (event.get("Username"),),
}

_events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=REMEMBERED_EVENTS)
_lock = threading.Lock()


def record_event(call: Call, caller: Principal | None, error: AwsError | None = None) -> dict[str, Any] | None:
    """Record a management event and return its record. Calls about objects in a bucket, data events, have none."""
    if not call.operation or (call.service == "s3" and "Object" in call.operation):
        return None
    now = time.time()
    source = f"{'monitoring' if call.service == 'cloudwatch' else call.service}.amazonaws.com"
    resources = [str(call.parameters[name]) for name in _RESOURCE_PARAMETERS if call.parameters.get(name)]
    if call.service == "kms":
        # CloudTrail records a key's ARN, however the call names the key.
        resources = list(dict.fromkeys([*(key.arn for _, key in named_keys.keys_of_call(call)), *resources]))
    is_read_only = call.operation.startswith(_READ_ONLY_PREFIXES)
    identity = _identity(call, caller) if caller else {}
    record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": call.operation,
        "awsRegion": call.region,
        "userAgent": call.user_agent,
        "eventID": secrets.token_hex(16),
        "readOnly": is_read_only,
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "resources": [{"ARN": name, "accountId": ACCOUNT} for name in resources],
    }
    if error is not None:
        record |= {"errorCode": error.code, "errorMessage": error.message}
    event = {
        "EventId": record["eventID"],
        "EventName": call.operation,
        "ReadOnly": str(is_read_only).lower(),
        "AccessKeyId": call.access_key_id,
        "EventTime": now,
        "EventSource": source,
        **({"Username": name_of(caller.arn)} if caller else {}),
        "Resources": [{"ResourceName": name} for name in resources],
        "CloudTrailEvent": json.dumps(record),
    }
    with _lock:
        _events.append((call.region, event))
    return record


def _identity(call: Call, caller: Principal) -> dict[str, Any]:
    """The `userIdentity` of an event.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    key_id = call.access_key_id
    details = {"principalId": caller.user_id, "arn": caller.arn, "accountId": ACCOUNT, "accessKeyId": key_id}
    name = name_of(caller.identity)
    if ":assumed-role/" not in caller.arn:
        return {"type": "IAMUser", **details, "userName": name}
    issuer = {
        "type": "Role",
        "principalId": caller.user_id.partition(":")[0],
        "arn": caller.identity,
        "accountId": ACCOUNT,
        "userName": name,
    }
    return {"type": "AssumedRole", **details, "sessionContext": {"sessionIssuer": issuer}}


def get_key_last_usage(call: Call, caller: Principal | None) -> Response:
    """AWS returns the last cryptographic operation on a key that succeeded; moto has no such call.

    It comes from the record of calls: a call that passed the patches and failed in moto also counts.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
    """
    key = named_keys.named_key(call)
    if key is None:
        raise AwsError("NotFoundException", f"Key '{call.parameters.get('KeyId')}' does not exist")
    last_event = _last_use(call, key.arn)
    usage = (
        {
            "Operation": last_event["EventName"],
            "Timestamp": last_event["EventTime"],
            "CloudTrailEventId": last_event["EventId"],
            "KmsRequestId": last_event["EventId"],
        }
        if last_event
        else None
    )
    created_at = float(key.creation_date)
    details = {"KeyId": key.arn, "TrackingStartDate": created_at, "KeyCreationDate": created_at}
    return json_response({**details, "KeyLastUsage": usage} if usage else details)


def days_without_use(call: Call, key: Key) -> int:
    """The value of kms:TrailingDaysWithoutKeyUsage: full days since the last use of a key, or since its creation.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-trailing-days-without-key-usage
    """
    last_event = _last_use(call, key.arn)
    since = last_event["EventTime"] if last_event else float(key.creation_date)
    return int((time.time() - since) // _DAY)


def _last_use(call: Call, key_arn: str) -> dict[str, Any] | None:
    with _lock:
        mine = (event for region, event in reversed(_events) if region == call.region)
        return next((event for event in mine if _uses(event, key_arn)), None)


def _uses(event: dict[str, Any], key_arn: str) -> bool:
    return (
        event["EventSource"] == "kms.amazonaws.com"
        and event["EventName"] in named_keys.CRYPTOGRAPHIC
        and any(item["ResourceName"] == key_arn for item in event["Resources"])
        and "errorCode" not in json.loads(event["CloudTrailEvent"])
    )


def lookup_events(call: Call, caller: Principal | None) -> Response:
    """AWS returns a Region's management events of the last 90 days, newest first, without any trail.

    Moto has no history. This one has the calls that arrived, at once instead of within minutes, without their
    parameters. An error is recorded only when a patch raised it: for a policy, a key's state, a limit.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    parameters = call.parameters
    attributes = parameters.get("LookupAttributes") or []
    if len(attributes) > 1 or any(item.get("AttributeKey") not in _ATTRIBUTES for item in attributes):
        raise AwsError(
            "InvalidLookupAttributesException", "Only one attribute can be looked up, and it must be a known one."
        )
    size, token = int(parameters.get("MaxResults") or _PAGE), str(parameters.get("NextToken") or "0")
    if not 1 <= size <= _PAGE:
        raise AwsError("InvalidMaxResultsException", f"A max results value must be between 1 and {_PAGE}.")
    if not token.isdigit():
        raise AwsError("InvalidNextTokenException", "Invalid token.")
    since, until = float(parameters.get("StartTime") or 0), float(parameters.get("EndTime") or time.time())
    with _lock:
        events = [event for region, event in reversed(_events) if region == call.region]
    matching = [
        event
        for event in events
        if since <= event["EventTime"] <= until
        and all(item["AttributeValue"] in _ATTRIBUTES[item["AttributeKey"]](event) for item in attributes)
    ]
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(matching) else {}
    return json_response({"Events": matching[start : start + size], **more})
