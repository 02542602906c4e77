"""A variant of the onboarding: a deployment set up once by one of the examples, and the checks that all variants share.

Touches the deployment that it starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.onboarding.deployment import Deployment, running_deployment

OUTPUTS = set(
    "keyArn keyId aliasName appPolicyArn appPrincipalArn trailArn trailBucket parameterPrefix programVersion".split()
)
"""The outputs that every stack has."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A deployment, the arguments it was set up with, and what the set-up told."""

    deployment: Deployment
    example: str
    more: tuple[str, ...]
    document: Mapping[str, Any]

    @property
    def proofs(self) -> list[tuple[str, str]]:
        """(target, state) of each proof of the set-up."""
        return [(proof["target"], proof["state"]) for proof in self.document["proofs"]]

    @property
    def created(self) -> list[str]:
        """The types of what the set-up created."""
        return [change["type"] for change in self.document["changes"] if change["op"] == "create"]

    def again(self, *more: str, **options: Any) -> dict[str, Any]:
        """The same set-up once more."""
        return self.deployment.set_up(self.example, "--json", *self.more, *more, **options).document


@contextmanager
def onboarded(root: Path, example: str, *more: str, before: tuple[str, ...] = ()) -> Iterator[Variant]:
    """A deployment set up by an example; `before` is a command that runs first."""
    with running_deployment(root) as deployment:
        if before:
            deployment.run(list(before))
        document = deployment.set_up(example, "--json", *more).document
        yield Variant(deployment=deployment, example=example, more=more, document=document)


def nothing_is_left_to_change(variant: Variant) -> None:
    """A second run makes no call that changes anything, and the plain engine with the guardrails agrees."""
    deployment = variant.deployment
    deployment.forget_calls()
    again = variant.again()
    assert deployment.changes() == {} and again["changes"] == []
    assert again["dataKey"]["fingerprint"] == variant.document["dataKey"]["fingerprint"]
    assert variant.document["dataKey"]["isNew"] and not again["dataKey"]["isNew"]
    guarded = ("--expect-no-changes", "--policy-pack", "guardrails")
    passed = deployment.pulumi("preview", "--stack", "production", *guarded)
    assert "eonpro-kms-guardrails" in passed.output


def kept_and_told(deployment: Deployment) -> str:
    """All that a run leaves on this machine: state, settings, logs, and what the wizards said."""
    parts = [
        deployment.pulumi("stack", "export", "--show-secrets", "--stack", "production").out,
        (deployment.folder / "Pulumi.production.yaml").read_text(),
        *(path.read_text() for path in deployment.folder.rglob("*.log")),
        *deployment.printed,
    ]
    return "\n".join(parts)


def secret_values(deployment: Deployment, regions: tuple[str, ...] = ("us-east-1",)) -> set[str]:
    """Every secret that a deployment has by now and that can be read: credentials, tokens, wrapped data keys."""
    environment = deployment.environment
    found = {
        environment["VERCEL_TOKEN"],
        environment["AWS_SECRET_ACCESS_KEY"],
        Path(environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip(),
    }
    wrapped: set[str] = set()
    for region in regions:
        named = deployment.client("ssm", region=region).get_parameters_by_path(
            Path="/eonpro", Recursive=True, WithDecryption=True
        )
        wrapped |= {each["Value"] for each in named["Parameters"] if each["Name"].endswith("ENCRYPTED_PHI_KEY")}
        secrets = deployment.client("secretsmanager", region=region)
        for each in secrets.list_secrets()["SecretList"]:
            if each["Name"].endswith("ENCRYPTED_PHI_KEY"):
                wrapped.add(secrets.get_secret_value(SecretId=each["Name"])["SecretString"])
    assert wrapped, "there is no data key to look for"
    return found | wrapped


def no_secret_is_kept(deployment: Deployment, *more: str) -> None:
    """None of the deployment's secrets, nor of `more`, is in anything that a run leaves on this machine."""
    text = kept_and_told(deployment)
    assert not [secret[:6] for secret in (*secret_values(deployment), *more) if secret in text]
