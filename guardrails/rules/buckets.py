"""The guardrails of buckets: private, over TLS only, versioned and encrypted.

Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from components.policies.statements import PolicyStatement

from .policy_documents import DocumentError, check_statements, label, statements
from .resource_types import BUCKET_ACLS, BUCKET_POLICY, BUCKETS, ENCRYPTION, OWNERSHIP, PUBLIC_ACCESS_BLOCKS, VERSIONING
from .rule import Resource, Rule, check_all, check_values, has

PUBLIC_GROUPS = ("/global/AllUsers", "/global/AuthenticatedUsers")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups"""

PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
MINIMUM_TLS = 1.2


def private_bucket(resource: Resource) -> Iterator[str]:
    """Public access block, ACLs and bucket policy allow no public access."""
    if resource.type in PUBLIC_ACCESS_BLOCKS:
        return check_all(lambda check: check(resource.props), _BLOCKS)
    if resource.type == OWNERSHIP:
        return _disables_acls(resource)
    return check_all(lambda check: check(resource), (_acl_is_private, _grants_are_private, _policy_is_private))


_BLOCKS = tuple(
    has(name, (True,), f"Public access is not blocked: {name} must be true.")
    for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
)


def _disables_acls(resource: Resource) -> Iterator[str]:
    if (resource.props.get("rule") or {}).get("objectOwnership") != "BucketOwnerEnforced":
        yield "The bucket accepts ACLs, also from other accounts: set objectOwnership to BucketOwnerEnforced."


def _acl_is_private(resource: Resource) -> Iterator[str]:
    acl = resource.props.get("acl")
    if acl in PUBLIC_ACLS:
        yield f"The ACL {acl} allows public access: remove it."


def _grants_are_private(resource: Resource) -> Iterator[str]:
    control = resource.props.get("accessControlPolicy") or {}
    yield from check_values(_grant_is_private, control.get("grants"))
    yield from check_values(_grant_is_private, resource.props.get("grants"))


def _grant_is_private(grant: Mapping[str, Any]) -> Iterator[str]:
    uri = str((grant.get("grantee") or grant).get("uri") or "")
    if uri.endswith(PUBLIC_GROUPS):
        yield f"An ACL grant allows public access ({uri}): remove it."


def _policy_is_private(resource: Resource) -> Iterator[str]:
    return check_statements(resource.props.get("policy"), _statement_is_private)


def _statement_is_private(statement: PolicyStatement) -> Iterator[str]:
    everybody = statement.matches_everybody or statement.not_principals is not None
    if statement.allows and everybody and not statement.conditions:
        yield f"{label(statement)} of the bucket policy allows public access: name a principal."


def tls_only_bucket(resource: Resource) -> Iterator[str]:
    """The bucket policy denies plain HTTP and TLS older than 1.2 for everybody."""
    try:
        denials = [statement for statement in statements(resource.props.get("policy")) if _denies_everything(statement)]
    except DocumentError as error:
        yield f"The policy cannot be checked: it {error}."
        return
    if not any(_is_plain_http(denial) for denial in denials):
        yield "No statement denies plain HTTP for everybody: deny s3:* where aws:SecureTransport is false."
    if not any(_is_old_tls(denial) for denial in denials):
        yield "No statement denies old TLS for everybody: deny s3:* where s3:TlsVersion is less than 1.2."


def _denies_everything(statement: PolicyStatement) -> bool:
    whole = any(not resource.endswith("/*") for resource in statement.resources or ())
    objects = any(resource.endswith("/*") or resource == "*" for resource in statement.resources or ())
    every_action = any(action.lower() in ("s3:*", "*") for action in statement.actions)
    return not statement.allows and statement.matches_everybody and every_action and whole and objects


def _is_plain_http(statement: PolicyStatement) -> bool:
    # A further condition would make the denial narrower.
    return _only_condition(statement) == ("bool", "aws:securetransport", ("false",))


def _is_old_tls(statement: PolicyStatement) -> bool:
    operator, key, values = _only_condition(statement)
    if (operator, key) != ("numericlessthan", "s3:tlsversion") or len(values) != 1:
        return False
    try:
        return float(values[0]) >= MINIMUM_TLS
    except ValueError:
        return False


def _only_condition(statement: PolicyStatement) -> tuple[str, str, tuple[str, ...]]:
    conditions = [
        (operator.lower(), key.lower(), values)
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    ]
    return conditions[0] if len(conditions) == 1 else ("", "", ())


def versioned_bucket(resource: Resource) -> Iterator[str]:
    """Versioning is on: an overwritten record can be restored."""
    if (resource.props.get("versioningConfiguration") or {}).get("status") != "Enabled":
        yield "The bucket's versioning is not on: set its status to Enabled."


def encrypted_bucket(resource: Resource) -> Iterator[str]:
    return check_values(_encrypts, resource.props.get("rules"))


def _encrypts(rule: Mapping[str, Any]) -> Iterator[str]:
    default = rule.get("applyServerSideEncryptionByDefault") or {}
    if default.get("sseAlgorithm") not in ("AES256", "aws:kms", "aws:kms:dsse"):
        yield "The bucket does not encrypt by default: set sseAlgorithm to AES256 or aws:kms."
    if "NONE" in (rule.get("blockedEncryptionTypes") or ()):
        yield "The bucket takes objects under keys that only the writer has: set blockedEncryptionTypes to SSE-C."


RULES = (
    Rule(
        name="trail-bucket-private",
        description="Buckets have all four public access blocks, disable ACLs, and allow only named principals.",
        types=frozenset({*PUBLIC_ACCESS_BLOCKS, OWNERSHIP, *BUCKET_ACLS, *BUCKETS, BUCKET_POLICY}),
        check=private_bucket,
    ),
    Rule(
        name="trail-bucket-tls",
        description="Bucket policies deny plain HTTP and TLS older than 1.2 for everybody.",
        types=frozenset({BUCKET_POLICY}),
        check=tls_only_bucket,
    ),
    Rule(
        name="trail-bucket-versioned",
        description="Buckets have versioning.",
        types=frozenset(VERSIONING),
        check=versioned_bucket,
    ),
    Rule(
        name="trail-bucket-encrypted",
        description="Buckets encrypt by default.",
        types=frozenset(ENCRYPTION),
        check=encrypted_bucket,
    ),
)
