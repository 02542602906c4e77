"""The JSON documents of a set-up and of a preview. Pure."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, cast

from components.settings import Outputs, SecretStore, Settings
from components.settings.stored_values import BY_VARIABLE
from wizard.account.views import ItemState
from wizard.core import json_documents
from wizard.core.models.access import PolicyFindingKind
from wizard.core.models.delivery import StoredDataKey
from wizard.setup.plan import Plan
from wizard.setup.report import Report, repeat_command


class StoredKey(TypedDict):
    """The stored data key, or hash key."""

    parameter: str
    fingerprint: json_documents.Fingerprint
    version: int
    isNew: bool
    store: SecretStore


class TaskSecret(TypedDict):
    name: str
    valueFrom: str


class StackOutputs(TypedDict):
    """The outputs of the stack."""

    keyArn: str
    keyId: str
    aliasName: str
    appPolicyArn: str
    appPrincipalArn: str
    trailArn: str
    trailBucket: str
    parameterPrefix: str
    taskSecrets: NotRequired[list[TaskSecret]]
    appUserArn: NotRequired[str]
    secretsRoleArn: NotRequired[str]
    replicaKeyArns: NotRequired[list[str]]


class Backup(TypedDict):
    at: json_documents.Time
    fingerprint: str
    place: str


class AccessKey(TypedDict):
    id: str
    isNew: bool
    ageDays: int


class Change(TypedDict):
    op: str
    type: str
    name: str


class Item(TypedDict):
    """An item of the checklist."""

    title: str
    state: ItemState
    evidence: str
    next: str


class SetupDocument(json_documents.Head):
    """A completed set-up."""

    stack: str
    account: json_documents.Account
    region: str
    identity: str
    settings: Settings
    outputs: StackOutputs
    dataKey: StoredKey
    hashKey: NotRequired[StoredKey]
    lastBackup: Backup | None
    accessKey: NotRequired[AccessKey]
    changes: list[Change]
    delivered: list[json_documents.Delivery]
    proofs: list[json_documents.Proof]
    checklist: list[Item]
    seconds: float
    repeat: str


def _key_fields(stored: StoredDataKey) -> StoredKey:
    return {
        "parameter": stored.parameter,
        "fingerprint": stored.wrapped.fingerprint,
        "version": stored.version,
        "isNew": stored.is_new,
        "store": stored.store,
    }


def of_report(report: Report) -> SetupDocument:
    """The JSON document of a completed set-up."""
    key, last = report.access_key, report.last_backup
    document: SetupDocument = {
        "version": json_documents.VERSION,
        "command": "setup",
        "ok": report.ok,
        "stack": report.stack,
        "account": report.settings.account_id,
        "region": report.settings.region,
        "identity": report.identity.arn,
        "settings": cast(Any, report.settings.model_dump(mode="json", by_alias=True, exclude_none=True)),
        "outputs": _outputs(report.outputs),
        "dataKey": _key_fields(report.stored_data_key),
        "lastBackup": None
        if last is None
        else {"at": last.at.isoformat(timespec="seconds"), "fingerprint": last.fingerprint, "place": last.place},
        "changes": [{"op": step.op, "type": step.type, "name": step.name} for step in report.changed],
        "delivered": [json_documents.delivery_fields(delivery) for delivery in report.delivered],
        "proofs": [json_documents.proof_fields(proof) for proof in report.proofs],
        "checklist": [
            {"title": item.title, "state": item.state, "evidence": item.evidence, "next": item.next}
            for item in report.checklist
        ],
        "seconds": round(report.seconds, 1),
        "repeat": repeat_command(report),
    }
    if key:
        document["accessKey"] = {"id": key.key_id, "isNew": key.is_new, "ageDays": key.age_days}
    fields = {BY_VARIABLE[name].json_name: _key_fields(stored) for name, stored in report.beside.items()}
    document.update(cast(Any, fields))
    return document


def _outputs(outputs: Outputs) -> StackOutputs:
    fields: StackOutputs = {
        "keyArn": outputs.key_arn,
        "keyId": outputs.key_id,
        "aliasName": outputs.alias_name,
        "appPolicyArn": outputs.app_policy_arn,
        "appPrincipalArn": outputs.app_principal_arn,
        "trailArn": outputs.trail_arn,
        "trailBucket": outputs.trail_bucket,
        "parameterPrefix": outputs.parameter_prefix,
    }
    if outputs.task_secrets:
        fields["taskSecrets"] = [{"name": name, "valueFrom": source} for name, source in outputs.task_secrets]
    if outputs.app_user_arn:
        fields["appUserArn"] = outputs.app_user_arn
    if outputs.secrets_role_arn:
        fields["secretsRoleArn"] = outputs.secrets_role_arn
    if outputs.replica_key_arns:
        fields["replicaKeyArns"] = list(outputs.replica_key_arns)
    return fields


class PlannedChange(TypedDict):
    """A step of the update; `changed` names the properties."""

    op: str
    type: str
    name: str
    changed: list[str]


class Finding(TypedDict):
    policy: str
    kind: PolicyFindingKind
    text: str


class Policies(TypedDict):
    """What IAM Access Analyzer finds in the policies; `notAsked` says why it was not asked."""

    findings: list[Finding]
    notAsked: str | None


class PreviewDocument(json_documents.Head):
    """A plan that was not applied."""

    stack: str
    changes: list[PlannedChange]
    policies: Policies


def of_plan(plan: Plan) -> PreviewDocument:
    """The JSON document of a plan that was not applied."""
    changes: list[PlannedChange] = [
        {"op": step.op, "type": step.type, "name": step.name, "changed": list(step.changed)} for step in plan.changes
    ]
    policies: Policies = {
        "findings": [{"policy": one.policy, "kind": one.kind, "text": one.text} for one in plan.policies.findings],
        "notAsked": plan.policies.not_asked or None,
    }
    return {**json_documents.head("preview"), "stack": plan.stack, "changes": changes, "policies": policies}
