"""The report of a run: what exists, the checklist, what comes next, and the command that repeats it without questions.

Pure. One set of facts, two forms: lines for a terminal, a document for `--json`. No secret is among the facts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from components.contract import Outputs, Settings, Target
from wizard.checklist import Item, ItemState
from wizard.facts import Delivered, DeliveryState, Escrow, Identity, Mark, Proof, ProofState, Step

MARKS = {
    ItemState.DONE: Mark.OK,
    ItemState.OPEN: Mark.FAIL,
    ItemState.PERSON: Mark.INFO,
    ItemState.UNKNOWN: Mark.WARN,
}
PROOF_MARKS = {
    ProofState.PROVED: Mark.OK,
    ProofState.SIMULATED: Mark.WARN,
    ProofState.UNPROVEN: Mark.WARN,
    ProofState.FAILED: Mark.FAIL,
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a finished run can say."""

    stack: str
    settings: Settings
    identity: Identity
    outputs: Outputs
    escrow: Escrow
    changed: tuple[Step, ...]
    delivered: tuple[Delivered, ...]
    proofs: tuple[Proof, ...]
    checklist: tuple[Item, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Proof, ...]:
        """The proofs that say that the application cannot open what was delivered."""
        return tuple(proof for proof in self.proofs if proof.state is ProofState.FAILED)


def what_exists(report: Report) -> tuple[tuple[str, str], ...]:
    """(what, its name in the account)."""
    outputs = report.outputs
    made = "made now" if report.escrow.made_now else "kept as it was"
    return (
        ("key", f"{outputs.alias_name} → {outputs.key_arn}"),
        ("application", outputs.app_principal_arn),
        ("its policy", outputs.app_policy_arn),
        ("audit trail", f"{outputs.trail_arn} → s3://{outputs.trail_bucket}"),
        ("data key", f"{report.escrow.wrapped.fingerprint} in {report.escrow.parameter}, {made}"),
        *(("delivered", f"{d.place}: {_state(d)}, {d.checked_by}") for d in report.delivered),
    )


def next_steps(report: Report) -> tuple[str, ...]:
    """What a person still has to do, in order; each with the command where there is one."""
    steps: list[str] = []
    targets = {delivery.target for delivery in report.delivered}
    settings, outputs = report.settings, report.outputs
    if Target.VERCEL in targets:
        if settings.app_principal_arn is None:
            steps.append(
                f"Let the application take its role by Vercel's OIDC token (in phi-encryption.ts):\n{vercel_patch(outputs)}"
            )
        steps.append(
            "Deploy anew, for a variable takes effect only in a new deployment: vercel redeploy <production URL>"
        )
    if Target.ECS in targets:
        steps.append(
            "Put these into the container definition, and set the task role "
            f"{outputs.app_principal_arn}:\n"
            + json.dumps({"secrets": [{"name": n, "valueFrom": v} for n, v in outputs.task_secrets]}, indent=2)
        )
        service = f"--cluster {settings.ecs_cluster or 'CLUSTER'} --service {settings.ecs_service or 'SERVICE'}"
        steps.append(
            f"Start the tasks anew, for values are read when a task starts: aws ecs update-service {service} --force-new-deployment"
        )
    steps.append(
        "Save one record in the application. A load of the key that failed is remembered: restart the application after any repair."
    )
    steps.append("Commit " + f"Pulumi.{report.stack}.yaml" + ": it holds the settings, and nothing secret.")
    steps.append("Review who has access to the key every three months.")
    return tuple(steps)


def vercel_patch(outputs: Outputs) -> str:
    """The lines of TypeScript that give the application the role's credentials on Vercel."""
    return (
        'import { awsCredentialsProvider } from "@vercel/oidc-aws-credentials-provider";\n'
        "const kms = new KMSClient({\n"
        "  region: process.env.AWS_REGION,\n"
        f'  credentials: awsCredentialsProvider({{ roleArn: "{outputs.app_principal_arn}" }}),\n'
        "});"
    )


def repeat_command(report: Report) -> str:
    """The command that does this run again without a question."""
    targets = ",".join(dict.fromkeys(delivery.target for delivery in report.delivered))
    return f"python -m wizard setup --stack {report.stack} --target {targets} --yes --non-interactive"


def document(report: Report) -> dict[str, Any]:
    """The report as JSON takes it: the stack's outputs under their own names, facts, no words that may change."""
    outputs = report.outputs
    return {
        "ok": not report.failed,
        "stack": report.stack,
        "account": report.settings.account_id,
        "region": report.settings.region,
        "identity": report.identity.arn,
        "settings": report.settings.model_dump(mode="json", by_alias=True, exclude_none=True),
        "outputs": {
            "keyArn": outputs.key_arn,
            "keyId": outputs.key_id,
            "aliasName": outputs.alias_name,
            "appPolicyArn": outputs.app_policy_arn,
            "appPrincipalArn": outputs.app_principal_arn,
            "trailArn": outputs.trail_arn,
            "trailBucket": outputs.trail_bucket,
            "parameterPrefix": outputs.parameter_prefix,
            **(
                {"taskSecrets": [{"name": n, "valueFrom": v} for n, v in outputs.task_secrets]}
                if outputs.task_secrets
                else {}
            ),
        },
        "dataKey": {
            "parameter": report.escrow.parameter,
            "fingerprint": report.escrow.wrapped.fingerprint,
            "version": report.escrow.version,
            "madeNow": report.escrow.made_now,
        },
        "changes": [{"op": step.op, "type": step.type, "name": step.name} for step in report.changed],
        "delivered": [
            {
                "target": d.target,
                "place": d.place,
                "state": d.state,
                "fingerprint": d.fingerprint,
                "checkedBy": d.checked_by,
            }
            for d in report.delivered
        ],
        "proofs": [
            {"target": p.target, "state": p.state, "principal": p.principal, "detail": p.detail, "at": p.at}
            for p in report.proofs
        ],
        "checklist": [
            {"title": item.title, "state": item.state, "evidence": item.evidence} for item in report.checklist
        ],
        "seconds": round(report.seconds, 1),
        "repeat": repeat_command(report),
    }


def _state(delivery: Delivered) -> str:
    return "written" if delivery.state is DeliveryState.WRITTEN else "there already, unchanged"
