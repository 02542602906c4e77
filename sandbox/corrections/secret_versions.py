"""Corrections about the versions of a secret: each tells when it was made.

It may read the emulator's Secrets Manager in this process.
"""

from __future__ import annotations

import json
from dataclasses import replace

from moto.secretsmanager.models import secretsmanager_backends

from sandbox.state import ACCOUNT
from sandbox.wire import Answer, Call, json_answer


def a_version_tells_when_it_was_made(call: Call, answer: Answer) -> Answer:
    """AWS tells the time at which each version was created; the emulator tells the time of the call.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretVersionsListEntry.html
    """
    found = json.loads(answer.body)
    secret = secretsmanager_backends[ACCOUNT][call.region].secrets[str(call.parameters["SecretId"])]
    for version in found["Versions"]:
        version["CreatedDate"] = secret.versions[version["VersionId"]]["createdate"]
    return replace(answer, body=json_answer(found).body)
