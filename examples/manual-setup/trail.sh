#!/usr/bin/env bash
# A trail as the organization's security team would have made it before EONPRO came: every Region, validated, started,
# into a bucket that is private, versioned, encrypted and closed to plain HTTP.
#
#   eval "$(python -m sandbox env)"    # to try it; leave this out and it is your own account
#   bash examples/manual-setup/trail.sh >> answers.yaml
#
# It needs bash, aws and AWS credentials of an administrator. Standard output is two lines of an answers file: the
# trail's ARN and its bucket. When the trail or the bucket is there already, it says so, changes nothing, ends with 1.
#
# Faults, for a trail that should not be used:
#   --single-region     it records its own Region only
#   --not-validated     its log files carry no digests
#   --without-kms       it leaves the events of KMS out
#   --stopped           it records nothing
#   --bare-bucket       its bucket is not versioned, not closed to the public by its settings, and open to plain HTTP
#   --poor              the first three
set -euo pipefail

REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
TRAIL_NAME=${COMPANY_TRAIL_NAME:-company-trail}
TRAIL_BUCKET=${COMPANY_TRAIL_BUCKET:-}                     # empty: company-trail-logs-<account>; names are global

export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION AWS_PAGER=""

stop() {
  printf 'trail.sh: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# Whether something is there, asked by a command: yes, or no when AWS answers with this code. Another error is the end.
there() {
  local absent=$1 said
  shift
  if said=$("$@" 2>&1 >/dev/null); then return 0; fi
  case $said in *"($absent)"*) return 1 ;; esac
  case $said in *"(403)"*) stop "AWS keeps to itself whether this is there: $*" "$said" \
    "a bucket may be another account's, since their names are global: set COMPANY_TRAIL_BUCKET" ;; esac
  stop "AWS did not say whether this is there: $*" "$said"
}

REACH=--is-multi-region-trail
VALIDATION=--enable-log-file-validation
KMS_EVENTS=yes
STARTED=yes
BUCKET=good
for option in "$@"; do
  case $option in
    --single-region) REACH=--no-is-multi-region-trail ;;
    --not-validated) VALIDATION=--no-enable-log-file-validation ;;
    --without-kms) KMS_EVENTS=no ;;
    --stopped) STARTED=no ;;
    --bare-bucket) BUCKET=bare ;;
    --poor)
      REACH=--no-is-multi-region-trail
      VALIDATION=--no-enable-log-file-validation
      KMS_EVENTS=no
      ;;
    *) printf 'usage: trail.sh [--single-region] [--not-validated] [--without-kms] [--stopped] [--bare-bucket] [--poor]\n' >&2 && exit 2 ;;
  esac
done

command -v aws >/dev/null || stop "there is no aws on the PATH"
CALLER=$(aws sts get-caller-identity --query '[Account,Arn]' --output text) || stop "AWS does not know the caller" "try: aws sts get-caller-identity"
ACCOUNT=${CALLER%%[[:space:]]*}
PARTITION=${CALLER##*[[:space:]]arn:}
PARTITION=${PARTITION%%:*}
: "${TRAIL_BUCKET:=company-trail-logs-$ACCOUNT}"
TRAIL_ARN=arn:$PARTITION:cloudtrail:$REGION:$ACCOUNT:trail/$TRAIL_NAME
BUCKET_ARN=arn:$PARTITION:s3:::$TRAIL_BUCKET

FOUND=()
if there TrailNotFoundException aws cloudtrail get-trail --name "$TRAIL_NAME"; then FOUND+=("the trail $TRAIL_NAME"); fi
if there 404 aws s3api head-bucket --bucket "$TRAIL_BUCKET"; then FOUND+=("the bucket $TRAIL_BUCKET"); fi
[ "${#FOUND[@]}" -eq 0 ] || stop "already there, so nothing was changed:" "${FOUND[@]}"

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
    }"
  aws s3api put-public-access-block --bucket "$TRAIL_BUCKET" --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
  aws s3api put-bucket-versioning --bucket "$TRAIL_BUCKET" --versioning-configuration Status=Enabled
  aws s3api put-bucket-encryption --bucket "$TRAIL_BUCKET" --server-side-encryption-configuration \
    '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
else
  # A new bucket is closed to the public.
  aws s3api delete-public-access-block --bucket "$TRAIL_BUCKET"
fi
aws s3api put-bucket-policy --bucket "$TRAIL_BUCKET" --policy "{
  \"Version\": \"2012-10-17\",
  \"Statement\": [
$statements
  ]
}"

# A bucket's policy becomes known to CloudTrail within seconds, not at once.
left=12
until said=$(aws cloudtrail create-trail --name "$TRAIL_NAME" --s3-bucket-name "$TRAIL_BUCKET" \
  --include-global-service-events $REACH $VALIDATION 2>&1); do
  left=$((left - 1))
  case $said in *InsufficientS3BucketPolicyException*) [ "$left" -gt 0 ] || stop "$said" ;; *) stop "$said" ;; esac
  sleep 5
done
if [ "$KMS_EVENTS" = no ]; then
  aws cloudtrail put-event-selectors --trail-name "$TRAIL_NAME" --event-selectors \
    '[{"ReadWriteType": "All", "IncludeManagementEvents": true, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]' >/dev/null
fi
if [ "$STARTED" = yes ]; then
  aws cloudtrail start-logging --name "$TRAIL_NAME"
fi

printf 'trail: %s\ntrail_bucket: %s\n' "$TRAIL_ARN" "$TRAIL_BUCKET"
