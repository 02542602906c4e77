"""The report of a run: what exists, the checklist, what comes next, and the command that repeats it without questions.

Pure. One set of facts, two forms: lines for a terminal, a document for `--json`. No secret is among the facts.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from components.policies.stack import SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT
from components.settings import APPLICATION_VARIABLES, EksIdentity, Outputs, SecretStore, Settings, Target
from wizard.core.models.account import Identity
from wizard.core.models.delivery import (
    Delivered,
    DeliveryState,
    StoredDataKey,
    Verification,
    VerificationState,
)
from wizard.core.models.progress import Mark, Step
from wizard.core.next_command import wizard
from wizard.data_key.access_key import Ensured
from wizard.data_key.storage import region_of
from wizard.setup.checklist import ChecklistEntry, ItemState

MARKS = {
    ItemState.DONE: Mark.OK,
    ItemState.OPEN: Mark.FAIL,
    ItemState.PERSON: Mark.INFO,
    ItemState.UNKNOWN: Mark.WARN,
}
PROOF_MARKS = {
    VerificationState.PROVED: Mark.OK,
    VerificationState.SIMULATED: Mark.WARN,
    VerificationState.UNPROVEN: Mark.WARN,
    VerificationState.FAILED: Mark.FAIL,
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a finished run can say."""

    stack: str
    settings: Settings
    identity: Identity
    outputs: Outputs
    stored_data_key: StoredDataKey
    changed: tuple[Step, ...]
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    checklist: tuple[ChecklistEntry, ...]
    seconds: float
    profile: str | None = None
    """The AWS profile that was named for the run."""
    access_key: Ensured | None = None
    """The access key of the application on Vercel, where it is an IAM user."""

    @property
    def failed(self) -> tuple[Verification, ...]:
        """The proofs that say that the application cannot open what was delivered."""
        return tuple(proof for proof in self.proofs if proof.state is VerificationState.FAILED)


def what_exists(report: Report) -> tuple[tuple[str, ...], ...]:
    """(what, its names in the account, each short enough for a line of its own)."""
    outputs = report.outputs
    made = "made now" if report.stored_data_key.made_now else "kept as it was"
    return (
        ("key", outputs.alias_name, outputs.key_arn),
        *((f"replica in {region_of(arn)}", arn) for arn in outputs.replica_key_arns),
        ("application and its policy", *outputs.app_principal_arns, outputs.app_policy_arn),
        ("audit trail and its bucket", outputs.trail_arn, f"s3://{outputs.trail_bucket}"),
        (f"data key, {made}", report.stored_data_key.parameter, report.stored_data_key.wrapped.fingerprint),
        *(("delivered", f"{d.place}: {_state(d)}") for d in report.delivered),
    )


@dataclass(frozen=True, kw_only=True)
class Todo:
    """One thing that a person still has to do."""

    what: str
    verbatim: str = ""
    """The command to type or the code to paste, as it is."""


def next_steps(report: Report) -> tuple[Todo, ...]:
    """What a person still has to do, in order."""
    todo: list[Todo] = []
    targets = {delivery.target for delivery in report.delivered}
    settings, outputs = report.settings, report.outputs
    if Target.VERCEL in targets:
        if settings.makes_role and outputs.app_user_arn is None:
            what = "Let the application take its role by Vercel's OIDC token, where it makes its KMS client:"
            todo.append(Todo(what=what, verbatim=vercel_patch(outputs)))
        todo.append(
            Todo(
                what="Deploy anew: a variable takes effect only in a new deployment.",
                verbatim=wizard("push", "--redeploy", "--stack", report.stack),
            )
        )
    if report.access_key is not None:
        key = report.access_key
        todo.append(
            Todo(
                what=f"Change the access key {key.key_id} ({key.age_days} days old) every 90 days; "
                "Vercel's own token would make it needless (--vercel-access oidc).",
                verbatim=wizard("access-key", "rotate", "--stack", report.stack),
            )
        )
    if Target.EKS in targets and outputs.secrets_role_arn:
        todo.append(
            Todo(
                what="Give the service accounts of the application and of External Secrets their roles:",
                verbatim=associations(
                    settings, app_role_arn=outputs.app_principal_arn, secrets_role_arn=outputs.secrets_role_arn
                ),
            )
        )
        todo.append(
            Todo(
                what="Have External Secrets hand the variables to the pods (envFrom the secret eonpro-phi):",
                verbatim=external_secret(settings).rstrip(),
            )
        )
    if Target.ECS in targets:
        container = {"secrets": _task_secrets(outputs)}
        todo.append(
            Todo(
                what=f"Give the task definition the task role {outputs.app_principal_arn}, the execution role "
                f"{execution_role(settings)}, and its container these:",
                verbatim=json.dumps(container, indent=2),
            )
        )
        if settings.replica_regions:
            what = (
                f"In {', '.join(settings.replica_regions)} the task definition names the parameters of its own Region: "
                "the same names, with that Region in each valueFrom."
            )
            todo.append(Todo(what=what))
        named = "" if settings.ecs_cluster else "pulumi config set eonpro-kms:ecsCluster CLUSTER\n"
        service = "/".join(filter(None, (settings.ecs_cluster, settings.ecs_service)))
        todo.append(
            Todo(
                what=f"Start the tasks{f' of {service}' if service else ''} anew, for values are read when a task "
                "starts. This registers such a revision, waits until it runs, and takes it back if it does not:",
                verbatim=f"{named}python -m wizard push --redeploy --stack {report.stack}",
            )
        )
    todo += [
        Todo(
            what="Save one record in the application. It remembers a load of the key that failed: "
            "after a repair, restart it."
        ),
        Todo(
            what="Keep the settings with the code; nothing in them is secret.",
            verbatim=f"git add Pulumi.{report.stack.rsplit('/', 1)[-1]}.yaml",
        ),
        Todo(what="Review every three months who may use and who administers the key."),
    ]
    return tuple(todo)


def execution_role(settings: Settings) -> str:
    """The ARN of the ECS execution role that may read the parameters."""
    made = f"arn:{settings.partition}:iam::{settings.account_id}:role/{settings.names.execution_role}"
    return settings.ecs_execution_role_arn or made


def _task_secrets(outputs: Outputs) -> list[dict[str, str]]:
    return [{"name": name, "valueFrom": source} for name, source in outputs.task_secrets]


def vercel_patch(outputs: Outputs) -> str:
    """The lines of TypeScript that give the application the role's credentials on Vercel."""
    return (
        "import { awsCredentialsProvider }\n"
        '  from "@vercel/oidc-aws-credentials-provider";\n'
        "const kms = new KMSClient({\n"
        "  region: process.env.AWS_REGION,\n"
        "  credentials: awsCredentialsProvider({\n"
        f'    roleArn: "{outputs.app_principal_arn}",\n'
        "  }),\n"
        "});"
    )


def repeat_command(report: Report) -> str:
    """The command that does this run again without a question."""
    targets = ",".join(dict.fromkeys(delivery.target for delivery in report.delivered))
    profile = f" --profile {shlex.quote(report.profile)}" if report.profile else ""
    return wizard("--stack", f"{report.stack}{profile}", "--target", targets, "--yes", "--non-interactive")


def document(report: Report) -> dict[str, Any]:
    """The report as JSON takes it: the stack's outputs under their own names, facts, no words that may change."""
    outputs, key = report.outputs, report.access_key
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
            **({"taskSecrets": _task_secrets(outputs)} if outputs.task_secrets else {}),
            **({"appUserArn": outputs.app_user_arn} if outputs.app_user_arn else {}),
            **({"secretsRoleArn": outputs.secrets_role_arn} if outputs.secrets_role_arn else {}),
            **({"replicaKeyArns": list(outputs.replica_key_arns)} if outputs.replica_key_arns else {}),
        },
        "dataKey": {
            "parameter": report.stored_data_key.parameter,
            "fingerprint": report.stored_data_key.wrapped.fingerprint,
            "version": report.stored_data_key.version,
            "madeNow": report.stored_data_key.made_now,
            "store": report.stored_data_key.store,
        },
        **({"accessKey": {"id": key.key_id, "madeNow": key.made_now, "ageDays": key.age_days}} if key else {}),
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


NAME = "eonpro-phi"
"""Name of the store, of the ExternalSecret, and of the Kubernetes secret it makes."""


def external_secret(settings: Settings) -> str:
    """A ClusterSecretStore and an ExternalSecret, as YAML: no value is in it, only where each is read.

    With IRSA the store names the controller's service account; with Pod Identity the controller has its role already.
    The store names no role: it would be taken on top of the one that the service account brings, and no role may take
    itself.
    """
    service = "SecretsManager" if settings.secret_store is SecretStore.SECRETS_MANAGER else "ParameterStore"
    aws: dict[str, Any] = {"service": service, "region": settings.region}
    if settings.eks_identity is EksIdentity.IRSA:
        account = {"name": SECRETS_SERVICE_ACCOUNT, "namespace": SECRETS_NAMESPACE}
        aws["auth"] = {"jwt": {"serviceAccountRef": account}}
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": NAME},
        "spec": {"provider": {"aws": aws}},
    }
    secret = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": NAME, "namespace": settings.eks_namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": NAME, "kind": "ClusterSecretStore"},
            # Kept when the ExternalSecret goes: a pod that starts without the data key would make itself another.
            "target": {"name": NAME, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [
                {"secretKey": variable, "remoteRef": {"key": f"{settings.names.parameter_prefix}/{variable}"}}
                for variable in APPLICATION_VARIABLES
            ],
        },
    }
    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in (store, secret))


def associations(settings: Settings, *, app_role_arn: str, secrets_role_arn: str) -> str:
    """The commands that give the two service accounts their roles."""
    accounts = (
        (settings.eks_namespace, settings.eks_service_account, app_role_arn),
        (SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT, secrets_role_arn),
    )
    if settings.eks_identity is EksIdentity.IRSA:
        return "\n".join(
            f"kubectl annotate serviceaccount --overwrite -n {namespace} {account} \\\n"
            f"  eks.amazonaws.com/role-arn={role}"
            for namespace, account, role in accounts
        )
    return "\n".join(
        f"aws eks create-pod-identity-association --cluster-name {settings.eks_cluster} \\\n"
        f"  --namespace {namespace} --service-account {account} --role-arn {role}"
        for namespace, account, role in accounts
    )
