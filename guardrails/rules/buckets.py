"""The guardrails of buckets: private, over TLS only, versioned and encrypted.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .documents import DocumentError, Statement, judged, statements
from .rule import Resource, Rule, each, each_of
from .types import BUCKET_ACLS, BUCKET_POLICY, BUCKETS, ENCRYPTION, OWNERSHIP, PUBLIC_ACCESS_BLOCKS, VERSIONING

PUBLIC_GROUPS = ("/global/AllUsers", "/global/AuthenticatedUsers")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups"""

PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
OLDEST_TLS = 1.2


def bucket_stays_private(resource: Resource) -> Iterator[str]:
    """Neither the public access block, nor ACLs, nor the bucket policy let the public in."""
    if resource.type in PUBLIC_ACCESS_BLOCKS:
        ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        return each(lambda way: _is_blocked(resource, way), ways)
    if resource.type == OWNERSHIP:
        return _takes_no_acls(resource)
    return each(lambda judge: judge(resource), (_acl_is_private, _grants_are_private, _policy_is_private))


def _is_blocked(resource: Resource, way: str) -> Iterator[str]:
    if resource.props.get(way) is not True:
        yield f"Public access is not blocked: {way} must be true."


def _takes_no_acls(resource: Resource) -> Iterator[str]:
    if (resource.props.get("rule") or {}).get("objectOwnership") != "BucketOwnerEnforced":
        yield "The bucket takes ACLs, of other accounts too: set objectOwnership to BucketOwnerEnforced."


def _acl_is_private(resource: Resource) -> Iterator[str]:
    acl = resource.props.get("acl")
    if acl in PUBLIC_ACLS:
        yield f"The ACL {acl} lets everybody in: remove it."


def _grants_are_private(resource: Resource) -> Iterator[str]:
    control = resource.props.get("accessControlPolicy") or {}
    yield from each_of(_grant_is_private, control.get("grants"))
    yield from each_of(_grant_is_private, resource.props.get("grants"))


def _grant_is_private(grant: Mapping[str, Any]) -> Iterator[str]:
    uri = str((grant.get("grantee") or grant).get("uri") or "")
    if uri.endswith(PUBLIC_GROUPS):
        yield f"An ACL grant lets everybody in ({uri}): remove it."


def _policy_is_private(resource: Resource) -> Iterator[str]:
    return judged(resource.props.get("policy"), _statement_is_private)


def _statement_is_private(statement: Statement) -> Iterator[str]:
    everybody = statement.reaches_everybody() or statement.excepts_principals
    if statement.allows and everybody and not statement.conditions:
        yield f"{statement.spoken_of} of the bucket policy lets everybody in: name a principal."


def bucket_refuses_old_transport(resource: Resource) -> Iterator[str]:
    """The bucket policy denies everybody plain HTTP, and TLS older than 1.2."""
    try:
        denials = [one for one in statements(resource.props.get("policy")) if _denies_everything(one)]
    except DocumentError as error:
        yield f"The policy cannot be judged: it {error}."
        return
    if not any(_is_plain_http(one) for one in denials):
        yield "Nothing denies plain HTTP to everybody: deny s3:* where aws:SecureTransport is false."
    if not any(_is_old_tls(one) for one in denials):
        yield "Nothing denies old TLS to everybody: deny s3:* where s3:TlsVersion is less than 1.2."


def _denies_everything(statement: Statement) -> bool:
    whole = any(not one.endswith("/*") for one in statement.resources)
    objects = any(one.endswith("/*") or one == "*" for one in statement.resources)
    every_action = any(action.lower() in ("s3:*", "*") for action in statement.actions)
    return not statement.allows and statement.reaches_everybody() and every_action and whole and objects


def _is_plain_http(statement: Statement) -> bool:
    # Any other condition beside it would make the denial narrower.
    return _only_condition(statement) == ("bool", "aws:securetransport", ("false",))


def _is_old_tls(statement: Statement) -> bool:
    operator, key, values = _only_condition(statement)
    if (operator, key) != ("numericlessthan", "s3:tlsversion") or len(values) != 1:
        return False
    try:
        return float(values[0]) >= OLDEST_TLS
    except ValueError:
        return False


def _only_condition(statement: Statement) -> tuple[str, str, tuple[str, ...]]:
    found = [
        (operator.lower(), key.lower(), values)
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    ]
    return found[0] if len(found) == 1 else ("", "", ())


def bucket_keeps_versions(resource: Resource) -> Iterator[str]:
    """Versioning is on: a record that is written over is still there."""
    if (resource.props.get("versioningConfiguration") or {}).get("status") != "Enabled":
        yield "The bucket's versioning is not on: set its status to Enabled."


def bucket_is_encrypted(resource: Resource) -> Iterator[str]:
    """The bucket encrypts by default."""
    return each_of(_encrypts, resource.props.get("rules"))


def _encrypts(rule: Mapping[str, Any]) -> Iterator[str]:
    default = rule.get("applyServerSideEncryptionByDefault") or {}
    if default.get("sseAlgorithm") not in ("AES256", "aws:kms", "aws:kms:dsse"):
        yield "The bucket does not encrypt by default: set sseAlgorithm to AES256 or aws:kms."


RULES = (
    Rule(
        name="trail-bucket-private",
        demand="Buckets block public access in all four ways, take no ACLs, and let nobody in without a name.",
        types=frozenset({*PUBLIC_ACCESS_BLOCKS, OWNERSHIP, *BUCKET_ACLS, *BUCKETS, BUCKET_POLICY}),
        check=bucket_stays_private,
    ),
    Rule(
        name="trail-bucket-tls",
        demand="Bucket policies deny everybody plain HTTP, and TLS older than 1.2.",
        types=frozenset({BUCKET_POLICY}),
        check=bucket_refuses_old_transport,
    ),
    Rule(
        name="trail-bucket-versioned",
        demand="Buckets keep every version of a record.",
        types=frozenset(VERSIONING),
        check=bucket_keeps_versions,
    ),
    Rule(
        name="trail-bucket-encrypted",
        demand="Buckets encrypt what they are given.",
        types=frozenset(ENCRYPTION),
        check=bucket_is_encrypted,
    ),
)
