"""The checks of the application's documents in S3: their key, their buckets, and under which key the objects are.

Reads through the facts. The buckets are the application's, so each fix of one is an AWS CLI command. A bucket's policy
is replaced as a whole: every finding about it has the same command, which puts all of it right.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from components.policies import secure_transport_statements
from components.policies.document_buckets import bucket_statements
from components.policies.evaluation.principals import PrincipalKind
from components.policies.evaluation.statements import Request, match_statement
from components.policies.stack import documents_key_policy_of
from components.policies.statements import statements_of
from components.settings import LOGS_KEY_ROTATION_DAYS
from components.settings.arn import Arn
from wizard.account import fixes
from wizard.account.comparison.policies import widening
from wizard.account.comparison.trail import BucketSurplus, bucket_surplus, policy_without
from wizard.account.facts import StackFacts
from wizard.account.judgements.key import usable_and_guarded
from wizard.account.judgements.logs_bucket import with_statements
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import CredentialsError, SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.s3_documents import DUAL_LAYER, KMS, S3_MANAGED, DocumentBucket, Encryption, ObjectSample
from wizard.core.next_command import Command
from wizard.core.retry import together
from wizard.core.safe_text import first_of

DOCUMENTS_KEY = "aws:kms/key:Key::documents-key"

_ENCRYPTED = ("documents-encrypted",)
_OUTSIDE = (PrincipalKind.OTHER_ACCOUNT, PrincipalKind.EVERYBODY)


# --- the key


@judgement(*_ENCRYPTED)
def check_documents_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the key of the documents exists, is enabled, and rotates every year, where the settings ask for it."""
    if not facts.settings.documents_key:
        return
    key = needed("the key of the documents", facts.documents_key)
    lost = "without it the application can neither read nor write a document"
    if key is None:
        command = fixes.pulumi_up(facts, DOCUMENTS_KEY, "aws:kms/alias:Alias::documents-key", is_missing=True)
        what = "the key of the documents does not exist"
        yield Notice.wrong("documents-key-unusable", what, why=lost, command=command)
        return
    if key.state != "Enabled":
        wanted = documents_key_policy_of(facts.settings)
        policy = facts.policy_of(key.arn)
        yield Notice.wrong(
            "documents-key-unusable",
            what=f"the key of the documents {key.arn} is not enabled: {key.state}",
            why=lost,
            command=usable_and_guarded(facts, key, policy, wanted=wanted, resource=DOCUMENTS_KEY),
        )
        return
    yield Notice.good(f"the key of the documents {key.arn} exists and is enabled")
    yield _rotation(facts, key)


def _rotation(facts: StackFacts, key: KeyFact) -> Notice:
    days = LOGS_KEY_ROTATION_DAYS
    if key.rotation_enabled is None:
        return Notice.unknown("the rotation of the key of the documents", why="KMS does not return it", is_denied=True)
    if key.rotation_enabled and key.rotation_period_days == days:
        return Notice.good(f"the key of the documents rotates every {days} days")
    period = f"rotates every {key.rotation_period_days} days" if key.rotation_enabled else "does not rotate"
    words = ("kms", "enable-key-rotation", "--key-id", key.arn, "--rotation-period-in-days", str(days))
    return Notice.wrong(
        "documents-key-rotation",
        what=f"the key of the documents {key.arn} {period}",
        why=f"the stack has it rotate every {days} days; auditors and Prowler check it",
        command=fixes.aws(facts, *words),
    )


@judgement(*_ENCRYPTED, opens="documents")
def check_documents_key_policy(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy or a grant of the key of the documents gives anybody more than the settings."""
    key = facts.documents_key if facts.settings.documents_key else None
    if not isinstance(key, KeyFact):
        return  # Reported by check_documents_key.
    whose = f"the policy of the key of the documents {key.arn}"
    policy = needed(whose, facts.policy_of(key.arn))
    wanted = documents_key_policy_of(facts.settings)
    wider = widening(policy, wanted, resource=key.arn, account=facts.settings.account_id)
    given = sorted({f"{right.principal} may {right.action}" for right in wider.allowed})
    if given or wider.undenied:
        what = f"gives more than the settings: {first_of(given, 3, separator='; ')}" if given else "allows its deletion"
        yield Notice.wrong(
            "documents-key-policy-widened",
            what=what,
            subject=whose,
            why="whoever may decrypt with it, and reads a bucket, reads the documents; without it nobody can",
            command=fixes.pulumi_up(facts, DOCUMENTS_KEY),
        )
    else:
        yield Notice.good("gives nobody more than the settings", subject=whose)
    yield from _grants(facts, key.arn)


def _grants(facts: StackFacts, arn: str) -> Iterator[Notice]:
    grants = facts.grants_of(arn)
    if isinstance(grants, SetupError):
        yield Notice.unread(f"the grants of the key of the documents {arn}", grants)
        return
    for grant in grants:
        yield Notice.wrong(
            "grant-foreign",
            what=f"a grant allows {grant.grantee} {', '.join(grant.operations)} with the key of the documents",
            why="the settings give no grant on it; no policy shows what a grant allows",
            command=fixes.aws(facts, "kms", "revoke-grant", "--key-id", arn, "--grant-id", grant.id),
        )


# --- the buckets


@judgement("documents-private", opens="documents")
def check_document_access(facts: StackFacts) -> Iterator[Notice]:
    """Whether anybody outside the account can read, change or delete the documents."""
    for name, bucket in _buckets(facts):
        if isinstance(bucket, SetupError):
            yield Notice.unread(f"who can read the bucket {name}", bucket)
        elif bucket is not None:
            yield from _access(facts, bucket)


def _access(facts: StackFacts, bucket: DocumentBucket) -> Iterator[Notice]:
    subject = f"the bucket of documents {bucket.name}"
    if bucket.public_access_blocked:
        yield Notice.good("blocks all public access", subject=subject)
    else:
        shut = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
        yield Notice.wrong(
            "documents-public",
            what="does not block public access",
            subject=subject,
            why="a policy or an ACL could open the documents of patients to everybody",
            command=_on(facts, bucket, "put-public-access-block", "--public-access-block-configuration", shut),
        )
    surplus = _surplus(facts, bucket)
    foreign = [each for each in surplus if _is_foreign(each)]
    whose = f"the policy of {subject}"
    if foreign:
        yield Notice.wrong(
            "documents-policy-foreign",
            what=first_of([each.what for each in foreign], 3, separator="; "),
            subject=whose,
            why="the documents are of patients, and the settings name nobody outside the account",
            command=_policy_as_it_should_be(facts, bucket),
        )
    else:
        yield Notice.good("lets nobody outside the account read, change or delete a document", subject=whose)
    for each in surplus:
        if each not in foreign and each.principal not in facts.principals:
            yield Notice.person(f"{whose} {each.what}")


def _surplus(facts: StackFacts, bucket: DocumentBucket) -> list[BucketSurplus]:
    arn = facts.settings.arn("s3", bucket.name)
    account = facts.settings.account_id
    return bucket_surplus(bucket.policy, None, bucket_arn=arn, account=account, noun="documents")


def _is_foreign(surplus: BucketSurplus) -> bool:
    """Somebody outside the account: another account on any terms, everybody without any."""
    return surplus.kind in _OUTSIDE and not (surplus.kind is PrincipalKind.EVERYBODY and surplus.terms)


@judgement(*_ENCRYPTED, "documents-tls")
def check_document_buckets(facts: StackFacts) -> Iterator[Notice]:
    """Whether each bucket exists, encrypts new documents as the settings say, and refuses plain HTTP."""
    for name, bucket in _buckets(facts):
        if isinstance(bucket, SetupError):
            yield Notice.unread(f"the bucket of documents {name}", bucket)
        elif bucket is None:
            yield Notice.wrong(
                "documents-bucket-missing",
                what=f"the account has no bucket {name}, which the settings name for documents",
                why="nothing is known of the documents that the settings mean",
                command=fixes.eonpro(facts, "setup", "--document-buckets", _without_bucket(facts, name), "--yes"),
                advice="or name the right bucket",
            )
        else:
            yield from _encryption(facts, bucket)
            yield from _transport(facts, bucket)


def _without_bucket(facts: StackFacts, name: str) -> str:
    return ",".join(each for each in facts.settings.document_buckets if each != name) or "none"


def _encryption(facts: StackFacts, bucket: DocumentBucket) -> Iterator[Notice]:
    subject, default = f"the bucket of documents {bucket.name}", bucket.encryption
    if not facts.settings.documents_key:
        yield _without_own_key(facts, subject, default)
        return
    key = facts.documents_key
    if not isinstance(key, KeyFact):
        return  # Reported by check_documents_key.
    if bucket.region != facts.settings.region:
        here = facts.settings.region
        yield Notice.person(
            f"{subject} is in {bucket.region}, and the key of the documents in {here}: S3 takes a key of the bucket's "
            "own Region only",
            requirements=_ENCRYPTED,
        )
        return
    if default.algorithm == KMS and default.key in (key.arn, Arn.parse(key.arn).name):
        calls = "" if bucket.bucket_key else ", without an S3 Bucket Key: each document is a call of KMS"
        yield Notice.good(f"encrypts by default under the key of the documents{calls}", subject=subject)
    else:
        yield Notice.wrong(
            "documents-key-wrong",
            what=f"encrypts by default under {default.text}",
            subject=subject,
            why="a document that is uploaded without naming a key is not under the key of the documents",
            command=_on(
                facts,
                bucket,
                *("put-bucket-encryption", "--server-side-encryption-configuration", default_encryption(key.arn)),
            ),
            requirements=_ENCRYPTED,
        )
    if refuses_other_encryption(bucket.policy, facts.settings.arn("s3", bucket.name), key.arn):
        yield Notice.good("refuses an upload under another key", subject=subject, requirements=_ENCRYPTED)
    else:
        yield Notice.wrong(
            "documents-encryption-open",
            what="takes an upload that asks for another encryption",
            subject=subject,
            why="whoever uploads decides under which key a document is; the settings ask for one",
            command=_policy_as_it_should_be(facts, bucket),
            requirements=_ENCRYPTED,
        )


def _without_own_key(facts: StackFacts, subject: str, default: Encryption) -> Notice:
    setup = fixes.eonpro(facts, "setup", "--documents-key", "yes", "--yes")
    if default.key and any(default.key in (arn, Arn.parse(arn).name) for arn in facts.key_arns):
        return Notice.wrong(
            "documents-key-wrong",
            what="encrypts by default under the PHI key",
            subject=subject,
            why="whoever has to read a document gets the use of the key that opens every record",
            command=setup,
            requirements=_ENCRYPTED,
        )
    if default.algorithm == S3_MANAGED:
        what = f"{subject} encrypts by default under {default.text}: who can read the bucket can read the documents"
        return Notice.person(what, command=setup, requirements=_ENCRYPTED)
    return Notice.good(f"encrypts by default under {default.text}", subject=subject, requirements=_ENCRYPTED)


def _transport(facts: StackFacts, bucket: DocumentBucket) -> Iterator[Notice]:
    subject, requirement = f"the bucket of documents {bucket.name}", ("documents-tls",)
    if bucket.tls_only:
        yield Notice.good("denies plain HTTP and TLS older than 1.2", subject=subject, requirements=requirement)
        return
    yield Notice.wrong(
        "documents-tls-policy-missing",
        what="allows plain HTTP, or TLS older than 1.2",
        subject=subject,
        why="a document could be read in transit",
        command=_policy_as_it_should_be(facts, bucket),
        requirements=requirement,
    )


@judgement()
def check_document_versions(facts: StackFacts) -> Iterator[Notice]:
    """What is kept of a document that is overwritten or deleted: the application's own decision."""
    for _, bucket in _buckets(facts):
        if isinstance(bucket, DocumentBucket):
            subject = f"the bucket of documents {bucket.name}"
            lock = f", {bucket.lock}" if bucket.lock else ""
            if bucket.versioned:
                yield Notice.good(f"keeps earlier versions{lock}", subject=subject)
            else:
                lost = "a document that is overwritten or deleted is lost"
                yield Notice.person(f"{subject} keeps no earlier versions: {lost}")


# --- the objects


@judgement(*_ENCRYPTED)
def check_document_objects(facts: StackFacts) -> Iterator[Notice]:
    """Under which key the objects of each bucket are, of a sample."""
    for _, bucket in _buckets(facts):
        if isinstance(bucket, DocumentBucket):
            sample = facts.document_sample(bucket)
            if isinstance(sample, CredentialsError):
                count = fixes.eonpro(facts, "documents", "--bucket", bucket.name, "--dry-run", action="encrypt")
                # To see under which key an object is takes the right to read it, which no policy of ours gives.
                what = f"under which key the objects of {bucket.name} are was not read: it takes s3:GetObject"
                yield Notice.person(what, command=count)
            elif isinstance(sample, SetupError):
                yield Notice.unread(f"under which key the objects of {bucket.name} are", sample)
            elif sample.size:
                yield _objects(facts, bucket, sample)


def _objects(facts: StackFacts, bucket: DocumentBucket, sample: ObjectSample) -> Notice:
    key, of_phi = facts.documents_key if facts.settings.documents_key else None, {*facts.key_arns}
    allowed = {key.arn} if isinstance(key, KeyFact) else None
    wrong = {
        encryption: count
        for encryption, count in sample.counts.items()
        if (encryption.key in of_phi if allowed is None else encryption.key not in allowed)
    }
    counted = wrong or sample.counts
    text = "; ".join(f"{count:,} under {encryption.text}" for encryption, count in counted.items())
    what = f"{sample.text} in {bucket.name}: {text}"
    if not wrong:
        return Notice.good(what)
    move = fixes.eonpro(facts, "documents", "--bucket", bucket.name, action="encrypt")
    setup = fixes.eonpro(facts, "setup", "--documents-key", "yes", "--yes")
    return Notice.wrong(
        "documents-elsewhere",
        what=what,
        why="with read access to the bucket alone these can be read, or the PHI key has to be given for them",
        command=setup if allowed is None else move,
    )


# --- what is asked and answered


def _buckets(facts: StackFacts) -> Iterator[tuple[str, DocumentBucket | SetupError | None]]:
    names = facts.settings.document_buckets
    yield from zip(names, together(*(partial(facts.document_bucket, name) for name in names)), strict=True)


def _on(facts: StackFacts, bucket: DocumentBucket, operation: str, *words: object) -> Command:
    return fixes.aws(facts, "s3api", operation, "--bucket", bucket.name, *words, region=bucket.region)


def default_encryption(key_arn: str) -> Mapping[str, Any]:
    """The default encryption of a bucket of documents, as PutBucketEncryption takes it."""
    by_default = {"SSEAlgorithm": KMS, "KMSMasterKeyID": key_arn}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]}


def _policy_as_it_should_be(facts: StackFacts, bucket: DocumentBucket) -> Command:
    """The one command for every fault of the policy: nobody outside, no other encryption, no plain HTTP."""
    settings, key = facts.settings, facts.documents_key if facts.settings.documents_key else None
    foreign = {each.principal for each in _surplus(facts, bucket) if _is_foreign(each)}
    policy = policy_without(bucket.policy, foreign) if foreign else bucket.policy
    added = (
        bucket_statements(bucket=bucket.name, key_arn=key.arn, partition=settings.partition)
        if isinstance(key, KeyFact)
        else secure_transport_statements(bucket=bucket.name, partition=settings.partition)
    )
    return _on(facts, bucket, "put-bucket-policy", "--policy", with_statements(policy, [*added]))


_ASKS, _KEY_ID = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
_ABSENT = {_ASKS: (), _KEY_ID: (), "s3:x-amz-server-side-encryption-customer-algorithm": ()}


def refuses_other_encryption(policy: Mapping[str, Any] | None, bucket_arn: str, key_arn: str) -> bool:
    """Whether a bucket's policy denies everybody each upload that asks for another encryption than under this key."""
    other = str(Arn.parse(key_arn).with_resource("key/00000000-0000-0000-0000-000000000000"))
    asked: tuple[Mapping[str, tuple[str, ...]], ...] = (
        {_ASKS: (S3_MANAGED,)},
        {_ASKS: (KMS,)},
        {_ASKS: (KMS,), _KEY_ID: (other,)},
        {_ASKS: (DUAL_LAYER,), _KEY_ID: (key_arn,)},
    )
    denials = [each for each in statements_of(policy) if each.denies and each.matches_everybody]

    def is_denied(context: Mapping[str, tuple[str, ...]]) -> bool:
        request = Request(action="s3:PutObject", resource=f"{bucket_arn}/*", context={**_ABSENT, **context})
        matches = (match_statement(denial, request, source="") for denial in denials)
        return any(match is not None and not match.terms for match in matches)

    return all(is_denied(context) for context in asked)


OTHER_CHECKS: tuple[Judgement, ...] = (
    check_documents_key,
    check_documents_key_policy,
    check_document_access,
    check_document_buckets,
    check_document_versions,
    check_document_objects,
)
