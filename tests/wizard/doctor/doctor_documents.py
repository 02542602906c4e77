"""The documents of `doctor` and `verify`, one of each kind, for the schemas' test."""

from __future__ import annotations

from typing import Any

from tests.wizard.test_report import proof
from wizard import documents
from wizard.doctor.command import document, plain
from wizard.doctor.diagnosis import Diagnosis, sorted_out
from wizard.doctor.finding import Finding, LeftOut, Unlooked, Well
from wizard.facts import ProofState

DISABLED = Finding(
    cause="key-disabled",
    what="the key is disabled",
    why="KMS answers DisabledException",
    command="aws kms enable-key --key-id 1234",
    then="start the application anew",
)
PROOF = Finding(cause="proof-failed", what="it does not open", why="it says so", command="aws cloudtrail lookup-events")
DENIED = Unlooked(what="the trail", why="you may not look", is_denied=True)

DIAGNOSES: dict[str, Diagnosis] = {
    "healthy": sorted_out("production", [Well(what="the key is there"), LeftOut(what="the pods")]),
    "a cause and what follows": sorted_out("production", [PROOF, DISABLED, Well(what="the trail logs")]),
    "denied": sorted_out("production", [DENIED]),
    "unreachable": sorted_out("production", [Unlooked(what="the state", why="it does not answer")]),
}
DOCTOR: dict[str, dict[str, Any]] = {name: document(told) for name, told in DIAGNOSES.items()}
VERIFY: dict[str, dict[str, Any]] = {
    **{state: documents.verify("production", [proof("vercel", state)]) for state in ProofState},
    "failed, and why": documents.verify("production", [proof("vercel", ProofState.FAILED)], [plain(DISABLED)]),
}
