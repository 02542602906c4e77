"""Plans made weak, each in one way that a linter must see: that the proof can fail.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.linters.rendering import PlannedResource

Plan = tuple[PlannedResource, ...]

OF = "vercel"
"""The configuration whose plan is made weak."""

KEY = "aws:kms/key:Key"
BUCKET = "aws:s3/bucket:Bucket"
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


def without(type: str) -> Callable[[Plan], Plan]:
    """The plan without the resources of a type."""
    return lambda plan: tuple(resource for resource in plan if resource.type != type)


def with_inputs(type: str, **inputs: Any) -> Callable[[Plan], Plan]:
    """The plan with other inputs for the resources of a type."""
    return lambda plan: tuple(
        replace(resource, inputs={**resource.inputs, **inputs}) if resource.type == type else resource
        for resource in plan
    )


def unconnected(type: str) -> Callable[[Plan], Plan]:
    """The plan with the resources of a type for a bucket that is not in it."""
    return lambda plan: tuple(
        replace(resource, inputs={**resource.inputs, "bucket": "elsewhere"}, depends={})
        if resource.type == type
        else resource
        for resource in plan
    )


def allowing(actions: Sequence[str], **statement: Any) -> str:
    """A policy document of one statement."""
    allowed: Mapping[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


WEAK: Mapping[str, Callable[[Plan], Plan]] = {
    "no-public-access-block": without(PUBLIC_ACCESS_BLOCK),
    "public-access-block-of-another-bucket": unconnected(PUBLIC_ACCESS_BLOCK),
    "no-versioning": without("aws:s3/bucketVersioning:BucketVersioning"),
    "no-rotation": with_inputs(KEY, enableKeyRotation=False),
    "key-for-everybody": with_inputs(KEY, policy=allowing(["kms:*"], Principal={"AWS": "*"})),
    "no-validation": with_inputs("aws:cloudtrail/trail:Trail", enableLogFileValidation=False),
    "all-of-s3": with_inputs("aws:iam/policy:Policy", policy=allowing(["s3:GetObject", "iam:PassRole"])),
    "misspelled-action": with_inputs("aws:iam/policy:Policy", policy=allowing(["kms:Decript"])),
}
