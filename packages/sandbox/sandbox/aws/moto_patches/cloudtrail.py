"""Patches of CloudTrail's trails: names and ARNs, event selectors, delivery errors, and logs with signed digests.

Reads moto's trails and buckets in this process.
"""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moto.cloudtrail.models import cloudtrail_backends
from moto.s3.models import s3_backends

from sandbox.arns import parse as parse_arn
from sandbox.aws import digests
from sandbox.aws.iam.policy import Decision, Request, evaluate, names_principal, statements
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.kms import keys
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

EVERY_MANAGEMENT_EVENT = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": True,
    "DataResources": [],
    "ExcludeManagementEventSources": [],
}


def refuse_duplicate_trail(call: Call, caller: Principal | None) -> None:
    """AWS answers TrailAlreadyExistsException for the name of an existing trail; moto replaces that trail.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
    """
    name = str(call.parameters.get("Name", ""))
    if name in cloudtrail_backends[ACCOUNT][call.region].trails:
        raise AwsError("TrailAlreadyExistsException", f"Trail {name} already exists for customer: {ACCOUNT}")


def delete_trail_by_arn(call: Call, caller: Principal | None) -> dict[str, Any]:
    """AWS deletes a trail by name or ARN, and answers TrailNotFoundException when there is none.

    For an ARN or an unknown name moto answers success and deletes nothing.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DeleteTrail.html
    """
    name_or_arn = str(call.parameters.get("Name", ""))
    for name, trail in cloudtrail_backends[ACCOUNT][call.region].trails.items():
        if name_or_arn in (name, trail.arn):
            return {**call.parameters, "Name": name}
    raise AwsError("TrailNotFoundException", f"Unknown trail: {name_or_arn} for the user: {ACCOUNT}")


def replace_advanced_selectors(call: Call, caller: Principal | None) -> None:
    """AWS removes a trail's advanced event selectors when it gets basic ones; moto keeps both.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html
    """
    name_or_arn = str(call.parameters.get("TrailName", ""))
    for name, trail in cloudtrail_backends[ACCOUNT][call.region].trails.items():
        if call.parameters.get("EventSelectors") and name_or_arn in (name, trail.arn):
            trail.advanced_event_selectors = []


def add_home_region_and_selectors(call: Call, response: Response) -> Response:
    """AWS returns a trail's home Region, and whether it has custom event selectors.

    Moto's GetTrail omits the Region, and its GetTrail and DescribeTrails say that no trail has selectors.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Trail.html
    """
    payload = json.loads(response.body)
    for described in payload.get("trailList", [payload.get("Trail", {})]):
        arn = parse_arn(described["TrailARN"])
        trail = cloudtrail_backends[ACCOUNT][arn.region].trails[arn.path]
        custom = [
            selector
            for selector in trail.event_selectors
            if {**EVERY_MANAGEMENT_EVENT, **selector} != EVERY_MANAGEMENT_EVENT
        ]
        described |= {
            "HomeRegion": arn.region,
            "HasCustomEventSelectors": bool(custom or trail.advanced_event_selectors),
        }
    return replace(response, body=json_response(payload).body)


def select_described_trails(call: Call, response: Response) -> Response:
    """AWS describes only the trails in `trailNameList`: by name in the call's Region, or by ARN. Moto describes all.

    An unknown name is no error.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
    """
    names = call.parameters.get("trailNameList")
    if not names:
        return response
    arns = {*names, *(f"arn:aws:cloudtrail:{call.region}:{ACCOUNT}:trail/{name}" for name in names)}
    trails = [trail for trail in json.loads(response.body)["trailList"] if trail["TrailARN"] in arns]
    return replace(response, body=json_response({"trailList": trails}).body)


def add_default_selectors(call: Call, response: Response) -> Response:
    """AWS returns the default selector of a new trail, every management event; moto returns none.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
    """
    payload = json.loads(response.body)
    if not payload.get("EventSelectors") and not payload.get("AdvancedEventSelectors"):
        payload["EventSelectors"] = [EVERY_MANAGEMENT_EVENT]
    return replace(response, body=json_response(payload).body)


def add_delivery_error(call: Call, response: Response) -> Response:
    """AWS returns the S3 error of a trail's last delivery: NoSuchBucket, or AccessDenied where the bucket's policy
    does not allow CloudTrail to read the ACL and write. Moto delivers nothing and returns no error.

    It is evaluated at once; AWS delivers every five minutes or so. Whether the trail's key allows CloudTrail to encrypt
    is not checked.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    payload = json.loads(response.body)
    name_or_arn = str(call.parameters.get("Name", ""))
    trails = (trail for backend in cloudtrail_backends[ACCOUNT].values() for trail in backend.trails.values())
    trail = next((entry for entry in trails if name_or_arn in (entry.trail_name, entry.arn)), None)
    error = _delivery_error(trail) if trail is not None and payload.get("IsLogging") else None
    if error:
        payload["LatestDeliveryError"] = error
    return replace(response, body=json_response(payload).body)


def list_public_keys(call: Call, caller: Principal | None) -> Response:
    """AWS returns the keys that signed in the period; here the one key, if it has signed. Moto has no such call.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html
    """
    if not digests.has_signed():
        return json_response({"PublicKeyList": []})
    fingerprint, der = digests.public_key()
    return json_response({"PublicKeyList": [{"Fingerprint": fingerprint, "Value": b64encode(der).decode()}]})


_LAST_DIGEST = "last_delivered_digest"


def deliver_logs(hours: int) -> int:
    """Deliver the logs of the last hours for each trail that validates them; returns the number of trails.

    A later delivery goes on after the last digest, as CloudTrail does, and has nothing new within one hour.

    AWS delivers by itself: log files every five minutes or so, and a digest every hour. Here no time passes, and a
    trail has none until it is ordered (POST /_sandbox/logs). A log file has one event, which nothing else knows.
    Both are encrypted under the trail's key, where it has one, in the encryption context of the trail.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    number = 0
    for region, backend in cloudtrail_backends[ACCOUNT].items():
        for trail in backend.trails.values():
            if not (trail.log_validation and trail.status.is_logging):
                continue
            number += 1
            for each in digests.delivered(
                bucket=trail.bucket_name,
                prefix=trail.s3_key_prefix or "",
                trail_arn=trail.arn,
                region=region,
                until=datetime.now(UTC),
                hours=hours,
                after=vars(trail).get(_LAST_DIGEST),
            ):
                key = s3_backends[ACCOUNT]["aws"].put_object(
                    trail.bucket_name,
                    each.key,
                    each.body,
                    encryption="aws:kms" if trail.kms_key_id else None,
                    kms_key_id=trail.kms_key_id,
                )
                key.set_metadata({f"x-amz-meta-{name}": value for name, value in each.metadata.items()})
                vars(key)[keys.CONTEXT_OF_OBJECT] = {"aws:cloudtrail:arn": trail.arn}
                if each.metadata:
                    vars(trail)[_LAST_DIGEST] = each
    return number


def _delivery_error(trail: Any) -> str | None:
    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(trail.bucket_name)
    if bucket is None:
        return "NoSuchBucket"
    policy = json.loads(bucket.policy) if bucket.policy else {}
    cloudtrail_statements = [entry for entry in statements(policy) if _is_about_cloudtrail(entry)]
    arn = f"arn:aws:s3:::{trail.bucket_name}"
    prefix = f"{trail.s3_key_prefix}/" if trail.s3_key_prefix else ""
    context = {
        "aws:SourceArn": (trail.arn,),
        "aws:SourceAccount": (ACCOUNT,),
        "aws:SecureTransport": ("true",),
        "s3:TlsVersion": ("1.3",),
        "s3:x-amz-acl": ("bucket-owner-full-control",),
    }
    for action, resource in (
        ("s3:GetBucketAcl", arn),
        ("s3:PutObject", f"{arn}/{prefix}AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2030/01/01/log.json.gz"),
    ):
        request = Request(action=action, resource=resource, context=context)
        if evaluate(cloudtrail_statements, request) is not Decision.ALLOWED:
            return "AccessDenied"
    return None


def _is_about_cloudtrail(statement: Any) -> bool:
    return bool(
        names_principal(statement, "Service", ("cloudtrail.amazonaws.com",)) or names_principal(statement, "AWS", ())
    )
