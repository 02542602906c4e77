"""Corrections about multi-Region keys: each replica is a key of its own, but for what AWS shares.

It may write the replica's own properties to the emulator's key in this process.
"""

from __future__ import annotations

import json
from dataclasses import replace

from moto.kms.models import kms_backends

from sandbox.corrections.keys import named_key
from sandbox.state import ACCOUNT
from sandbox.wire import Answer, Call, json_answer


def a_replica_has_its_own_policy_alias_and_tags(call: Call, answer: Answer) -> Answer:
    """AWS gives a replica the policy, description and tags of the request (or the defaults) and no alias.

    The emulator copies the primary's. https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
    """
    given, found = call.parameters, json.loads(answer.body)
    there = kms_backends[ACCOUNT][given["ReplicaRegion"]]
    replica = there.keys[found["ReplicaKeyMetadata"]["KeyId"]]
    replica.policy = given.get("Policy") or replica.generate_default_policy()
    replica.description = given.get("Description", "")
    replica.aliases, replica.grants = {}, {}
    if given.get("Tags"):
        there.tagger.tag_resource(replica.id, given["Tags"])
    metadata = replica.to_dict()["KeyMetadata"]
    shared = {**metadata["MultiRegionConfiguration"], "MultiRegionKeyType": "REPLICA"}
    found = {
        "ReplicaKeyMetadata": {**metadata, "MultiRegionConfiguration": shared},
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": given.get("Tags", []),
    }
    return replace(answer, body=json_answer(found).body)


def a_primary_stays_the_primary(call: Call, answer: Answer) -> Answer:
    """AWS tells the primary of a multi-Region key from its replicas; the emulator calls both what it saw last.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    key = named_key(call)
    if key is None or not key.multi_region:
        return answer
    found = json.loads(answer.body)
    about = found["KeyMetadata"]["MultiRegionConfiguration"]
    about["MultiRegionKeyType"] = "PRIMARY" if about["PrimaryKey"]["Arn"] == key.arn else "REPLICA"
    return replace(answer, body=json_answer(found).body)
