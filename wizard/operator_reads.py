"""What the AWS provider asks of the set-up's things besides: read in its source, not measured, and all of it reads.

Pure: data. The stand-in provider, under which the set-up was measured (`wizard.operator_actions`), makes fewer reads
than the real one, which fills in every property that a resource has. What is measured already is not repeated here.
Read in terraform-provider-aws 6, which pulumi-aws 7 is made of: `internal/service/<service>/`.

The provider also tries s3:TagResource, to make a bucket with its tags; refused, it goes on to s3:PutBucketTagging,
which is measured, so it is left out. https://github.com/hashicorp/terraform-provider-aws/pull/45251
"""

from __future__ import annotations

ASKED_GENTLY = frozenset({"iam:GetAccountSummary", "s3:ListAllMyBuckets", "servicequotas:GetServiceQuota"})
"""What the wizard asks to tell early which of the account's limits the set-up would meet. It does without an answer, so
that the operator's policy has none of it.

The bucket for Pulumi's state is no part of the policy either: it is made once, before there is a stack, by somebody who
may do s3:CreateBucket, s3:PutBucketPolicy, s3:PutBucketPublicAccessBlock, s3:PutBucketOwnershipControls,
s3:PutBucketVersioning, s3:PutEncryptionConfiguration and s3:PutBucketTagging on it, and their reads.
"""

_BUCKETS = ("trail's bucket", "access logs' bucket")

_BUCKET_READS = (
    ("s3:GetAccelerateConfiguration", "aws_s3_bucket reads acceleration_status"),
    ("s3:GetBucketAcl", "aws_s3_bucket reads grant"),
    ("s3:GetBucketCORS", "aws_s3_bucket reads cors_rule"),
    ("s3:GetBucketLocation", "aws_s3_bucket looks for the Region it is in"),
    ("s3:GetBucketRequestPayment", "aws_s3_bucket reads request_payer"),
    ("s3:GetBucketWebsite", "aws_s3_bucket reads website"),
    ("s3:GetReplicationConfiguration", "aws_s3_bucket reads replication_configuration"),
    ("s3:ListTagsForResource", "aws_s3_bucket reads tags, by S3 Control first"),
)

PROVIDER_READS: tuple[tuple[str, str, str], ...] = (
    *((bucket, action, why) for bucket in _BUCKETS for action, why in _BUCKET_READS),
    ("access logs' bucket", "s3:GetBucketLogging", "aws_s3_bucket reads logging"),
    ("trail", "cloudtrail:GetInsightSelectors", "aws_cloudtrail reads insight_selector of a trail that has one"),
    ("policy that reads the variables", "iam:ListPolicyVersions", "aws_iam_policy makes room before an update"),
    ("application's policy", "iam:ListPolicyVersions", "aws_iam_policy makes room before an update"),
)
"""Thing (`wizard.operator_things`), action, and what in the provider asks for it."""
