"""Every operation of the stand-in, field by field and call by call, beside the same one of the real provider.

Touches the sandbox that the tests share.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.pulumi_plugins.provider.resources import RESOURCE_TYPES
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.conftest import cloud as cloud
from tests.sandbox.pulumi_plugins.provider.operations import (
    CASES,
    RECORDED,
    Call,
    differences,
    in_process,
    operations,
)
from tests.sandbox.pulumi_plugins.provider.test_resources import existing
from tests.sandbox.pulumi_plugins.provider_client import ProviderClient

DIFFERENCES = {
    r"\.(forceDestroy|skipDestroy|snsTopicArn|bucketRegion|fifoThroughputScope|maximumMessageSize|evaluationInterval"
    r"|deletionProtectionEnabled|logGroupClass|transitionDefaultMinimumObjectSize)$": "version 7 has it, 5.46 not",
    r"^Event\w+ \w+ .inputs.__defaults$": "with forceDestroy, which version 7 has",
    r"^\w+ import .inputs.tagsAll$": "an input of 5.46 alone",
    r"\.(objectSize\w+Than|newerNoncurrentVersions)$": "text in 5.46, a number in version 7",
    r"^LogGroup .*\.calls\[\]$": "version 7 has the newer calls: ListTagsForResource, TagResource",
    r"^User diff of a replacement ": "the real provider renames in place; no program of this project renames a user",
    r"^Bucket (?!check|diff).*\.(grants|hostedZoneId|lifecycleRules|logging|objectLockConfiguration|policy"
    r"|serverSideEncryptionConfiguration|versioning)$": "deprecated: each is a resource of its own, and none is read",
    r"^(Bucket|BucketObjectLockConfiguration|EventRule) import .inputs.(objectLockEnabled|state)$": "of imports alone",
    r"^(Key|TopicSubscription) diff of an import ": "a default that is false: no update of the account comes of it",
    r"^ReplicaKey import ": "the recorded one cannot import from another Region than its own",
    r"^EventRule plan .outputs.(isEnabled|state)$": "each unknown where the other is not given",
    r" plan( of an update)? \.outputs\.(rules\[\]|versioningConfiguration|rule)\.": "an empty value in an object is "
    "null, zero or unknown, as it is in a set or not",
    r"^TopicSubscription update .outputs.filterPolicy$": "as given, until the first refresh",
    r"\.bucketKeyEnabled$": "null in a set until the first refresh",
    r"^BucketLifecycleConfiguration \w+ .outputs.rules\[\].filter$": "of a rule that gives none",
    r"^BucketLifecycleConfiguration plan of an update .outputs.rules\[\]": "an empty value",
    r"^BucketPublicAccessBlock update .calls$": "the real provider does not read what it has put",
    r"\w+ plan .calls$": "the first call of a provider asks who it is",
}
"""Where the stand-in differs, as a pattern of type, operation and path, and why."""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    call: Call
    surroundings: dict[str, str]


@pytest.fixture(scope="module")
def stand_in(cloud: RunningSandbox) -> Iterator[StandIn]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.variables.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield StandIn(call=in_process(ProviderClient(region="us-east-1").provider), surroundings=existing(cloud.client))


def test_every_resource_type_has_a_recording() -> None:
    assert set(json.loads(RECORDED.read_text())) == RESOURCE_TYPES.keys() == CASES.keys()


@pytest.mark.parametrize("token", sorted(CASES))
def test_an_operation_is_what_the_real_provider_does(token: str, stand_in: StandIn, cloud: RunningSandbox) -> None:
    recorded = json.loads(RECORDED.read_text())[token]

    done = operations(token, stand_in.surroundings, stand_in.call, cloud)

    found = [
        (f"{token.rpartition(':')[2]} {operation} {path}", before, after)
        for operation in recorded
        for path, before, after in differences(recorded[operation], done.get(operation))
    ]
    assert [each for each in found if not any(re.search(pattern, each[0]) for pattern in DIFFERENCES)] == []
