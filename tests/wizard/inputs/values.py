"""Two good values for every input, and its channels as a user has them: the real parser, an environment, a file.

Touches nothing: the files that a secret's channels name are a mapping.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tools.documents.inputs import schema
from wizard.cli import parser
from wizard.core.clients import Answer
from wizard.core.models.inputs import Input, InputType
from wizard.inputs.answers import resolve
from wizard.inputs.answers_file import read_file
from wizard.inputs.registry import INPUTS

ACCOUNT = "111122223333"
IAM = f"arn:aws:iam::{ACCOUNT}"
WRAPPED = "AQIDAHh" + "A" * 200

_NAMED: Mapping[str, tuple[str, str]] = {
    "profile": ("clinic", "clinic-admin"),
    "account": (ACCOUNT, "caller"),
    "region": ("eu-central-1", "us-gov-west-1"),
    "environment": ("production", "staging-2"),
    "administrators": (f"caller, {IAM}:role/admin", f"{IAM}:user/ada"),
    "administrator_patterns": (
        f"{IAM}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????",
        f"{IAM}:role/admins/*",
    ),
    "deletion_administrators": (f"{IAM}:role/ends-keys", "caller"),
    "usage_guard_days": ("30", "365"),
    "incident_responders": (f"{IAM}:role/on-call", "caller"),
    "replica_regions": ("us-west-2, eu-west-1", "us-west-2"),
    "rotation_period_days": ("90", "2560"),
    "app_principal": ("create", f"{IAM}:role/service/app"),
    "permissions_boundary": (f"{IAM}:policy/boundary", f"{IAM}:policy/other"),
    "vercel_team": ("acme", "clinic-2"),
    "vercel_project": ("portal", "eonpro.web"),
    "vercel_environment": ("preview", "qa"),
    "vercel_environments": ("preview", "staging, qa"),
    "vercel_issuer_mode": ("team", "global"),
    "vercel_oidc_provider": (
        f"{IAM}:oidc-provider/oidc.vercel.com/acme",
        f"{IAM}:oidc-provider/oidc.vercel.com/clinic",
    ),
    "ecs_cluster": ("clinic", "Clinic_2"),
    "ecs_service": ("portal", "web"),
    "ecs_execution_role": ("create", f"{IAM}:role/execution"),
    "eks_cluster": ("clinic", "Clinic_2"),
    "eks_oidc_provider": (
        f"{IAM}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC123",
        f"{IAM}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/DEF456",
    ),
    "application": ("clinic", "eonpro"),
    "eks_namespace": ("eonpro", "clinic"),
    "eks_service_account": ("eonpro", "web"),
    "trail": ("create", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/company"),
    "trail_bucket": ("company-logs", "other-logs-2"),
    "trail_retention_days": ("2192", "3650"),
    "trail_archive_days": ("0", "90"),
    "backup_max_age_days": ("31", "365"),
    "variable_names": ("AWS_REGION=EONPRO_AWS_REGION, AWS_KMS_KEY_ID=EONPRO_KEY", "ENCRYPTED_PHI_KEY=EONPRO_PHI_KEY"),
    "replace_variable": ("AWS_REGION, AWS_KMS_KEY_ID", "AWS_REGION"),
    "record_tables": ("Patient.id=email:emailHash, clinic.Lead.id=email", "Patient.id=dob"),
    "document_buckets": ("clinic-documents, clinic-scans", "clinic-photos"),
    "alert_emails": ("security@clinic.example, ops@clinic.example", "ada@clinic.example"),
    "vercel_token": ("first-token-nobody-may-see", "second-token-nobody-may-see"),
    "encrypted_phi_key": (WRAPPED, WRAPPED.replace("A", "B")),
    "encrypted_phi_hash_key": (WRAPPED.replace("A", "C"), WRAPPED.replace("A", "D")),
    "former_key": ("wrap", "new"),
    "backend": ("s3://clinic-state", "local"),
    "secrets_provider": ("passphrase", "awskms://alias/eonpro-phi-key?region=us-east-1"),
    "backup_to": ("production.backup.json", "s3://clinic-backups/production.json"),
    "passphrase": ("first-passphrase-nobody-may-see", "second-passphrase-nobody-may-see"),
}


def good(each: Input) -> tuple[str, str]:
    """Two values of an input, as text, that are not the same. Raises KeyError for an input that has none yet."""
    if each.key in _NAMED:
        return _NAMED[each.key]
    if each.kind is InputType.CONFIRM:
        return ("yes", "no")
    forms = schema()["properties"][each.file_key]["anyOf"]
    members = next((form["enum"] for form in forms if "enum" in form), None)
    if members is None and each.many:
        members = forms[0]["items"]["anyOf"][0]["enum"]
    if members is None:
        raise KeyError(f"{each.key} has no values in tests/wizard/inputs/values.py yet")
    return (members[0], members[1])


def resolved(
    *,
    argv: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    text: str = "",
    file_name: str = "answers.yaml",
    files: Mapping[str, str] | None = None,
    saved: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Answer]:
    """The answers of a run with this command line, this environment and this answers file, as the wizard takes them."""

    def read_secret(path: str) -> str:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path]

    return resolve(
        flags=parser.parse(argv).run.inputs if argv else {},
        environ=environ or {},
        file=read_file(text, file_name),
        file_name=file_name,
        saved=saved,
        saved_name="Pulumi.production.yaml",
        detected={},
        read_secret=read_secret,
    )


Channel = Callable[[Input, str], dict[str, Any]]


def by_flag(each: Input, text: str) -> dict[str, Any]:
    """The value as a flag; a secret in a file of its own."""
    if each.secret:
        return {"argv": (each.flag, "flag.secret"), "files": {"flag.secret": f"{text}\n"}}
    return {"argv": (f"{each.flag}={text}",)}


def by_variable(each: Input, text: str) -> dict[str, Any]:
    """The value in the environment."""
    return {"environ": {each.variable: text}}


def by_yaml(each: Input, text: str) -> dict[str, Any]:
    """The value in an answers file in YAML; a secret in a file of its own."""
    if each.secret:
        return {"text": f"{each.file_key}: file.secret\n", "files": {"file.secret": text}}
    return {"text": f"{each.file_key}: {json.dumps(text)}\n"}


def by_json(each: Input, text: str) -> dict[str, Any]:
    """The value in an answers file in JSON, of several values a list."""
    if each.secret:
        return {
            "text": json.dumps({each.file_key: "file.secret"}),
            "file_name": "answers.json",
            "files": {"file.secret": text},
        }
    value: Any = [part.strip() for part in text.split(",")] if each.many else text
    return {"text": json.dumps({each.file_key: value}), "file_name": "answers.json"}


CHANNELS: Mapping[str, Channel] = {"flag": by_flag, "variable": by_variable, "yaml": by_yaml, "json": by_json}
"""The channels beside the prompt, the strongest first."""


def together(*given: dict[str, Any]) -> dict[str, Any]:
    """Several channels at once."""
    files = {name: text for each in given for name, text in each.get("files", {}).items()}
    return {**{key: value for each in given for key, value in each.items()}, "files": files}


by_key: Mapping[str, Input] = {each.key: each for each in INPUTS}
