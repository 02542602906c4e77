"""The documents of `doctor` and `verify`, one of each kind, for the schemas' test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.wizard.setup.test_report import proof
from wizard.account.notices import Notice
from wizard.account.views import Diagnosis, build_diagnosis, plain
from wizard.commands.doctor.command import document
from wizard.core import json_documents
from wizard.core.models.verification import VerificationState
from wizard.core.next_command import shell

DISABLED = Notice.wrong(
    "key-disabled",
    what="the key is disabled",
    why="KMS returns DisabledException",
    command=shell("aws", "kms", "enable-key", "--key-id", "1234"),
    advice="start the application anew",
)
PROOF = Notice.wrong(
    "proof-failed", what="it does not open", why="it says so", command=shell("aws", "cloudtrail", "lookup-events")
)
DENIED = Notice.unknown("the trail", why="the caller is not allowed cloudtrail:DescribeTrails", is_denied=True)

DIAGNOSES: dict[str, Diagnosis] = {
    "healthy": build_diagnosis("production", [Notice.good("the key is there"), Notice.person("the pods")]),
    "a cause and what follows": build_diagnosis("production", [PROOF, DISABLED, Notice.good("the trail logs")]),
    "denied": build_diagnosis("production", [DENIED]),
    "unreachable": build_diagnosis("production", [Notice.unknown("the state", why="it does not answer")]),
}
DOCTOR: dict[str, Mapping[str, Any]] = {name: document(told) for name, told in DIAGNOSES.items()}
VERIFY: dict[str, Mapping[str, Any]] = {
    **{state: json_documents.verify("production", [proof("vercel", state)]) for state in VerificationState},
    "with its key material": json_documents.verify("production", [replace(proof("vercel"), key_material="0f" * 32)]),
    "failed, and why": json_documents.verify(
        "production", [proof("vercel", VerificationState.FAILED)], [plain(DISABLED)]
    ),
}
