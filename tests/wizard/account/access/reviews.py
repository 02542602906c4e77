"""A small account for the tests of the review, read through the fake edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.policies.evaluation.account import AccountIam, IamPolicy, IamPrincipal
from components.policies.stack import application_trust_of
from components.settings import Outputs, Settings
from tests.components.policies.evaluation.policy_documents import allow, document, grant, principal
from tests.wizard.fakes.access import FakeAccess
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    KEY,
    OUTPUTS,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeUserInterface,
    FakeVercelClient,
    settings,
)
from wizard.account.access import review as access_review
from wizard.account.facts import StackFacts
from wizard.commands.review.differences import Differences, PrincipalChange
from wizard.commands.review.output import ReviewResult
from wizard.commands.review.output import document as document_of
from wizard.core.clients import Clients
from wizard.core.models.access import (
    AccessKeyAge,
    AccessReview,
    KeyEvents,
    KeyUse,
    PrincipalAccess,
    ReplicaUse,
    SignOff,
    Unread,
)
from wizard.core.models.stack import StackState

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
STRANGER = f"arn:aws:iam::{ACCOUNT}:role/stranger"
SETTINGS = settings()


def application(**more: Any) -> IamPrincipal:
    """The application's role, as the settings make it."""
    use = allow(["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"], Resource=KEY)
    values: dict[str, Any] = {
        "arn": APP,
        "policies": (IamPolicy(name=APP_POLICY, document=document(use)),),
        "trust": application_trust_of(SETTINGS),
    }
    return IamPrincipal(**values | more)


def account(*more: IamPrincipal) -> AccountIam:
    """The administrator, who has no IAM policy of KMS's, the application, and whoever else."""
    admin = principal(ADMIN, trust=document())
    return AccountIam(principals=tuple(sorted((admin, application(), *more), key=lambda one: one.arn)))


def aws(*more: IamPrincipal, **access: Any) -> FakeAwsClient:
    """The account with its key; `access` changes what it tells of access."""
    values: dict[str, Any] = {
        "account": account(*more),
        "told": {KEY: (KeyEvents(principal=APP, uses=12, last_use=NOW - timedelta(days=1)),)},
    }
    made = FakeAwsClient(who_has_access=FakeAccess(**values | access))
    made.build(SETTINGS)
    return made


def trust_statements() -> list[Any]:
    """The statements by which one becomes the application, as the settings mean them."""
    return list(application_trust_of(SETTINGS)["Statement"])


def key_statements(made: FakeAwsClient) -> list[Any]:
    """The statements of the key's policy."""
    found: Any = made.key_policies[KEY]
    return list(found["Statement"])


def review(made: FakeAwsClient, at: datetime = NOW, **changes: Any) -> AccessReview:
    wanted = changes.pop("settings", SETTINGS)
    outputs = changes.pop("outputs", OUTPUTS)
    return replace(
        access_review.review(facts_of(made, at, settings=wanted, outputs=outputs), window_days=90), **changes
    )


def facts_of(
    made: FakeAwsClient,
    at: datetime = NOW,
    *,
    settings: Settings = SETTINGS,
    outputs: Outputs = OUTPUTS,
    reviews: Path | None = None,
) -> StackFacts:
    """The facts of a stack in that account; `reviews` is the folder of its reviews."""
    engine = FakeEngine(aws=made)
    clients = Clients(
        ui=FakeUserInterface(),
        connect=lambda profile, region: made,
        vercel=lambda token: FakeVercelClient(),
        engine=lambda environment, *, secrets_provider=None: engine,
        prover=FakeDecryptVerifier(aws=made),
        reviews=reviews,
        now=lambda: at,
    )
    return StackFacts(
        stack="production",
        settings=settings,
        aws=made,
        sources=clients,
        open_engine=lambda: engine,
        readers={"state": lambda: StackState(exists=True, has_key=True, outputs=outputs)},
    )


def of(found: AccessReview, arn: str) -> PrincipalAccess:
    [one] = [each for each in found.principals if each.arn == arn]
    return one


def stranger(*statements: Any, **more: Any) -> IamPrincipal:
    """A role that may use the key through IAM."""
    return principal(STRANGER, *(statements or (allow("kms:Decrypt"),)), **{"trust": document(), **more})


def in_full() -> AccessReview:
    """A review with something in every field."""
    made = review(aws(stranger(), granted={KEY: (grant(STRANGER, made=NOW, key_arn=KEY),)}))
    first, *rest = made.principals
    old = AccessKeyAge(id="AKIAOLD", active=True, age_days=400, last_used=NOW)
    return replace(
        made,
        principals=(replace(first, access_keys=(old,), are_access_keys_known=False, beyond=("use",)), *rest),
        last_use=KeyUse(at=NOW, operation="Decrypt", tracked_since=NOW),
        replicas=(
            ReplicaUse(arn="arn", use=KeyUse(at=None, operation=None, tracked_since=None)),
            ReplicaUse(arn="other", use=None),
        ),
        unread=(Unread(what="it", why="denied"),),
    )


def documents_of_reviews() -> dict[str, Mapping[str, Any]]:
    """What `--json` prints of the first review of a stack, and of one that has everything."""
    digest = f"sha256:{'0' * 64}"
    first = ReviewResult(review=replace(review(aws()), grants=None, history=None), file="a.json", digest=digest)
    full = ReviewResult(
        review=in_full(),
        file="b.json",
        digest=digest,
        differences=Differences(
            since="a.json",
            added=(STRANGER,),
            removed=(STRANGER,),
            first_visible=(STRANGER,),
            no_longer_visible=(STRANGER,),
            changed=(PrincipalChange(arn=STRANGER, gained=("use",), new_ways=("a grant",), used_again=True),),
            new_grants=("g1",),
        ),
        sign_off=SignOff(signer="Ada", signer_arn=ADMIN, at=NOW, review_digest=digest, file="b.signed.json"),
        faults=("a.json was changed",),
    )
    return {"first": document_of(first), "in full": document_of(full)}
