#!/usr/bin/env bash
# A trail as an organization's security team creates it before EONPRO is set up: every Region, log file validation, started,
# with a bucket that is private, versioned, encrypted and denies plain HTTP and TLS older than 1.2.
#
#   eval "$(.venv/bin/eonpro-sandbox env)"    # to try it in the sandbox; without this line it uses your own account
#   bash examples/manual-setup/trail.sh >> answers.yaml
#
# It needs bash, aws and AWS credentials of an administrator. Standard output is two lines of an answers file: the
# trail's ARN and its bucket. When the trail or the bucket exists already, it names it, changes nothing and exits with 1.
#
# Faults, for a trail that EONPRO should not use:
#   --single-region     it records its own Region only
#   --not-validated     without log file validation
#   --without-kms       it does not record the events of KMS
#   --stopped           it records nothing
#   --bare-bucket       its bucket has no versioning, no public access block, and allows plain HTTP
#   --poor              the first three
set -euo pipefail

REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
TRAIL_NAME=${COMPANY_TRAIL_NAME:-company-trail}
TRAIL_BUCKET=${COMPANY_TRAIL_BUCKET:-}                     # empty: company-trail-logs-<account>; bucket names are global

export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION AWS_PAGER=""

stop() {
  printf 'trail.sh: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# Whether a resource exists: the command succeeds, or AWS answers with this code. Any other error stops the script.
exists() {
  local not_found=$1 output
  shift
  if output=$("$@" 2>&1 >/dev/null); then return 0; fi
  case $output in *"($not_found)"*) return 1 ;; esac
  case $output in *"(403)"*) stop "AWS does not allow this request: $*" "$output" \
    "the bucket may belong to another account, because bucket names are global: set COMPANY_TRAIL_BUCKET" ;; esac
  stop "AWS answered with another error: $*" "$output"
}

REGIONS=--is-multi-region-trail
VALIDATION=--enable-log-file-validation
KMS_EVENTS=yes
LOGGING=yes
BUCKET=good
for option in "$@"; do
  case $option in
    --single-region) REGIONS=--no-is-multi-region-trail ;;
    --not-validated) VALIDATION=--no-enable-log-file-validation ;;
    --without-kms) KMS_EVENTS=no ;;
    --stopped) LOGGING=no ;;
    --bare-bucket) BUCKET=bare ;;
    --poor)
      REGIONS=--no-is-multi-region-trail
      VALIDATION=--no-enable-log-file-validation
      KMS_EVENTS=no
      ;;
    *) printf 'usage: trail.sh [--single-region] [--not-validated] [--without-kms] [--stopped] [--bare-bucket] [--poor]\n' >&2 && exit 2 ;;
  esac
done

command -v aws >/dev/null || stop "aws is not on the PATH"
CALLER=$(aws sts get-caller-identity --query '[Account,Arn]' --output text) || stop "AWS does not know the caller" "try: aws sts get-caller-identity"
ACCOUNT=${CALLER%%[[:space:]]*}
PARTITION=${CALLER##*[[:space:]]arn:}
PARTITION=${PARTITION%%:*}
: "${TRAIL_BUCKET:=company-trail-logs-$ACCOUNT}"
TRAIL_ARN=arn:$PARTITION:cloudtrail:$REGION:$ACCOUNT:trail/$TRAIL_NAME
BUCKET_ARN=arn:$PARTITION:s3:::$TRAIL_BUCKET

EXISTING=()
if exists TrailNotFoundException aws cloudtrail get-trail --name "$TRAIL_NAME"; then EXISTING+=("the trail $TRAIL_NAME"); fi
if exists 404 aws s3api head-bucket --bucket "$TRAIL_BUCKET"; then EXISTING+=("the bucket $TRAIL_BUCKET"); fi
[ "${#EXISTING[@]}" -eq 0 ] || stop "already exists, nothing was changed:" "${EXISTING[@]}"

if [ "$REGION" = us-east-1 ]; then
  aws s3api create-bucket --bucket "$TRAIL_BUCKET" >/dev/null
else
  aws s3api create-bucket --bucket "$TRAIL_BUCKET" --create-bucket-configuration "LocationConstraint=$REGION" >/dev/null
fi

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
statements=$(cat <<JSON
    {
      "Sid": "AWSCloudTrailAclCheck",
      "Effect": "Allow",
      "Principal": {"Service": "cloudtrail.amazonaws.com"},
      "Action": "s3:GetBucketAcl",
      "Resource": "$BUCKET_ARN",
      "Condition": {"StringEquals": {"aws:SourceArn": "$TRAIL_ARN"}}
    },
    {
      "Sid": "AWSCloudTrailWrite",
      "Effect": "Allow",
      "Principal": {"Service": "cloudtrail.amazonaws.com"},
      "Action": "s3:PutObject",
      "Resource": "$BUCKET_ARN/AWSLogs/$ACCOUNT/*",
      "Condition": {
        "StringEquals": {"aws:SourceArn": "$TRAIL_ARN", "s3:x-amz-acl": "bucket-owner-full-control"}
      }
    }
JSON
)
if [ "$BUCKET" = good ]; then
  statements="$statements,
    {
      \"Sid\": \"DenyInsecureTransport\",
      \"Effect\": \"Deny\",
      \"Principal\": \"*\",
      \"Action\": \"s3:*\",
      \"Resource\": [\"$BUCKET_ARN\", \"$BUCKET_ARN/*\"],
      \"Condition\": {\"Bool\": {\"aws:SecureTransport\": \"false\"}}
    },
    {
      \"Sid\": \"DenyOldTls\",
      \"Effect\": \"Deny\",
      \"Principal\": \"*\",
      \"Action\": \"s3:*\",
      \"Resource\": [\"$BUCKET_ARN\", \"$BUCKET_ARN/*\"],
      \"Condition\": {\"NumericLessThan\": {\"s3:TlsVersion\": \"1.2\"}}
    }"
  aws s3api put-public-access-block --bucket "$TRAIL_BUCKET" --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
  aws s3api put-bucket-versioning --bucket "$TRAIL_BUCKET" --versioning-configuration Status=Enabled
  aws s3api put-bucket-encryption --bucket "$TRAIL_BUCKET" --server-side-encryption-configuration \
    '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
else
  # AWS gives every new bucket a public access block.
  aws s3api delete-public-access-block --bucket "$TRAIL_BUCKET"
fi
aws s3api put-bucket-policy --bucket "$TRAIL_BUCKET" --policy "{
  \"Version\": \"2012-10-17\",
  \"Statement\": [
$statements
  ]
}"

# A bucket policy reaches CloudTrail within seconds, not at once.
left=12
until output=$(aws cloudtrail create-trail --name "$TRAIL_NAME" --s3-bucket-name "$TRAIL_BUCKET" \
  --include-global-service-events $REGIONS $VALIDATION 2>&1); do
  left=$((left - 1))
  case $output in *InsufficientS3BucketPolicyException*) [ "$left" -gt 0 ] || stop "$output" ;; *) stop "$output" ;; esac
  sleep 5
done
if [ "$KMS_EVENTS" = no ]; then
  aws cloudtrail put-event-selectors --trail-name "$TRAIL_NAME" --event-selectors \
    '[{"ReadWriteType": "All", "IncludeManagementEvents": true, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]' >/dev/null
fi
if [ "$LOGGING" = yes ]; then
  aws cloudtrail start-logging --name "$TRAIL_NAME"
fi

printf 'trail: %s\ntrail_bucket: %s\n' "$TRAIL_ARN" "$TRAIL_BUCKET"
