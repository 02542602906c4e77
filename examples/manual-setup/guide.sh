#!/usr/bin/env bash
# The setup guide followed by hand: what one would type with the AWS CLI and curl, and no wizard.
#
#   eval "$(python -m sandbox env)"    # to try it; leave this out and it is your own account
#   bash examples/manual-setup/guide.sh
#
# It needs bash, aws, curl and python3, AWS credentials of an administrator, and for Vercel VERCEL_TOKEN.
# It makes things once: when one of them is there already, it says which, changes nothing and ends with 1.
# Values are changed by variables: GUIDE_RUNS_ON=ecs bash examples/manual-setup/guide.sh
set -euo pipefail

REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
RUNS_ON=${GUIDE_RUNS_ON:-vercel}                          # vercel, or ecs: who may take the role, who gets the variables
KEY_DESCRIPTION="EONPRO PHI encryption key for HIPAA compliance"
KEY_ALIAS=${GUIDE_KEY_ALIAS:-alias/eonpro-phi-key}
ROLE_NAME=${GUIDE_ROLE_NAME:-eonpro-app-role}
POLICY_NAME=${GUIDE_POLICY_NAME:-EONPROKMSAccess}
TRAIL_NAME=${GUIDE_TRAIL_NAME:-eonpro-audit-trail}
TRAIL_BUCKET=${GUIDE_TRAIL_BUCKET:-}                      # empty: eonpro-cloudtrail-logs-<account>; names are global
ADMIN_ARN=${GUIDE_ADMIN_ARN:-}                            # empty: the caller
VERCEL_API_URL=${VERCEL_API_URL:-https://api.vercel.com}
VERCEL_TEAM=${GUIDE_VERCEL_TEAM:-eonpro}                  # the slug, as in vercel.com/<team>
VERCEL_PROJECT=${GUIDE_VERCEL_PROJECT:-eonpro}
VERCEL_TYPE=${GUIDE_VERCEL_TYPE:-encrypted}               # encrypted, or sensitive: a value that nobody reads back
PAUSE_SECONDS=${GUIDE_PAUSE_SECONDS:-5}                   # between two tries of what AWS does not know yet
PARAMETER_PREFIX=${GUIDE_PARAMETER_PREFIX:-/eonpro}       # for ECS

export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION AWS_PAGER=""
NAMES="AWS_REGION AWS_KMS_KEY_ID ENCRYPTED_PHI_KEY"
STEP=""

say() { printf '%s\n' "$*"; }

stop() {
  printf 'guide.sh: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

begin() {
  STEP=$1
  say "$STEP"
}

ended() {
  local code=$?
  if [ "$code" -ne 0 ] && [ -n "$STEP" ]; then
    printf '  It stopped in: %s. What was made before is still there; a second run will name it.\n' "$STEP" >&2
  fi
}
trap ended EXIT

# Whether something is there, asked by a command: yes, or no when AWS answers with this code. Another error is the end.
there() {
  local absent=$1 said
  shift
  if said=$("$@" 2>&1 >/dev/null); then return 0; fi
  case $said in *"($absent)"*) return 1 ;; esac
  case $said in *"(403)"*) stop "AWS keeps to itself whether this is there: $*" "$said" \
    "a bucket may be another account's, since their names are global: set GUIDE_TRAIL_BUCKET" ;; esac
  stop "AWS did not say whether this is there: $*" "$said"
}

# A command tried again, twelve times in all, while AWS answers with these words: what is new to IAM or S3 becomes known
# to the other services within seconds, not at once.
patiently() {
  local words=$1 left=12 said
  shift
  until said=$("$@" 2>&1); do
    left=$((left - 1))
    case $said in *"$words"*) [ "$left" -gt 0 ] || stop "AWS still refuses: $*" "$said" ;; *) stop "AWS refuses: $*" "$said" ;; esac
    sleep "$PAUSE_SECONDS"
  done
}

# Vercel's answer to METHOD PATH [BODY] on standard output, its status as the last line. The token goes to curl on
# standard input, since every user of a machine can read the arguments of its processes.
vercel() (
  set +x
  case $VERCEL_TOKEN in *[!A-Za-z0-9._~+/=-]*) stop "VERCEL_TOKEN is no token: it has a space, a quotation mark or the like" ;; esac
  printf 'header = "Authorization: Bearer %s"\n' "$VERCEL_TOKEN" |
    curl --config - --silent --show-error --max-time 30 --request "$1" --write-out '\n%{http_code}\n' \
      --header "Content-Type: application/json" ${3:+--data-binary "$3"} \
      "$VERCEL_API_URL$2?slug=$VERCEL_TEAM"
)

# The names among ours that a listing of Vercel's has for production.
in_production() {
  python3 -c '
import json, sys
for each in json.load(sys.stdin)["envs"]:
    targets = each.get("target") or []
    if each["key"] in sys.argv[1:] and "production" in ([targets] if isinstance(targets, str) else targets):
        print(each["key"])' $NAMES
}

vercel_names() {
  local answer status
  answer=$(vercel GET "/v10/projects/$VERCEL_PROJECT/env") || stop "Vercel does not answer at $VERCEL_API_URL"
  status=${answer##*$'\n'}
  case $status in
    200) ;;
    403) stop "Vercel does not let this token into the team $VERCEL_TEAM" "make one for it: https://vercel.com/account/settings/tokens" ;;
    404) stop "Vercel has no project $VERCEL_PROJECT in the team $VERCEL_TEAM" "set GUIDE_VERCEL_TEAM and GUIDE_VERCEL_PROJECT" ;;
    *) stop "Vercel answered HTTP $status when asked for the project's variables" ;;
  esac
  printf '%s\n' "${answer%$'\n'*}" | in_production
}

# Before anything is made: who asks, is everything at hand, is anything there already.

for program in aws curl python3; do
  command -v "$program" >/dev/null || stop "there is no $program on the PATH"
done
case $RUNS_ON in
  vercel) [ -n "${VERCEL_TOKEN:+set}" ] || stop "VERCEL_TOKEN is not set" "export VERCEL_TOKEN=…, from https://vercel.com/account/settings/tokens" ;;
  ecs) ;;
  *) stop "GUIDE_RUNS_ON is vercel or ecs, not $RUNS_ON" ;;
esac
case $VERCEL_TYPE in encrypted | sensitive) ;; *) stop "GUIDE_VERCEL_TYPE is encrypted or sensitive, not $VERCEL_TYPE" ;; esac

CALLER=$(aws sts get-caller-identity --query '[Account,Arn]' --output text) || stop "AWS does not know the caller" "try: aws sts get-caller-identity"
ACCOUNT=${CALLER%%[[:space:]]*}
CALLER=${CALLER##*[[:space:]]}
PARTITION=${CALLER#arn:}
PARTITION=${PARTITION%%:*}
case $CALLER in
  *:assumed-role/*)
    # A session's ARN ends with the session; the role behind it stays, and its path is known to IAM only.
    session=${CALLER#*:assumed-role/}
    : "${ADMIN_ARN:=$(aws iam get-role --role-name "${session%%/*}" --query Role.Arn --output text)}"
    ;;
  *) : "${ADMIN_ARN:=$CALLER}" ;;
esac
: "${TRAIL_BUCKET:=eonpro-cloudtrail-logs-$ACCOUNT}"

ROLE_ARN=arn:$PARTITION:iam::$ACCOUNT:role/$ROLE_NAME
POLICY_ARN=arn:$PARTITION:iam::$ACCOUNT:policy/$POLICY_NAME
ISSUER=oidc.vercel.com/$VERCEL_TEAM
AUDIENCE=https://vercel.com/$VERCEL_TEAM
PROVIDER_ARN=arn:$PARTITION:iam::$ACCOUNT:oidc-provider/$ISSUER

say "Account $ACCOUNT, $REGION; key administrator $ADMIN_ARN; application on $RUNS_ON"

FOUND=()
aliased=$(aws kms list-aliases --query "Aliases[?AliasName=='$KEY_ALIAS'].[TargetKeyId]" --output text)
if [ -n "$aliased" ]; then FOUND+=("$KEY_ALIAS, of the key $aliased"); fi
if there NoSuchEntity aws iam get-role --role-name "$ROLE_NAME"; then FOUND+=("the role $ROLE_NAME"); fi
if there NoSuchEntity aws iam get-policy --policy-arn "$POLICY_ARN"; then FOUND+=("the policy $POLICY_NAME"); fi
if there TrailNotFoundException aws cloudtrail get-trail --name "$TRAIL_NAME"; then FOUND+=("the trail $TRAIL_NAME"); fi
if there 404 aws s3api head-bucket --bucket "$TRAIL_BUCKET"; then FOUND+=("the bucket $TRAIL_BUCKET"); fi
if [ "$RUNS_ON" = vercel ]; then
  given=$(vercel_names)
  for name in $given; do FOUND+=("$name in production of the Vercel project $VERCEL_PROJECT"); done
else
  for name in $NAMES; do
    if there ParameterNotFound aws ssm get-parameter --name "$PARAMETER_PREFIX/$name"; then
      FOUND+=("the parameter $PARAMETER_PREFIX/$name")
    fi
  done
fi
if [ "${#FOUND[@]}" -gt 0 ]; then
  stop "already there, so nothing was changed:" "${FOUND[@]}"
fi

# "Select the IAM role/user that will run EONPRO" (step 1, point 8): the guide takes the role for granted.

begin "Step 1: the role that runs EONPRO"
if [ "$RUNS_ON" = vercel ]; then
  # An account has one provider for each address. One that is there is used, if it lets this team's tokens in.
  if there NoSuchEntity aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$PROVIDER_ARN"; then
    audiences=$(aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$PROVIDER_ARN" \
      --query ClientIDList --output text)
    case "$(printf ' %s ' $audiences)" in
      *" $AUDIENCE "*) ;;
      *) stop "$PROVIDER_ARN does not know the audience $AUDIENCE" \
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn $PROVIDER_ARN --client-id $AUDIENCE" ;;
    esac
  else
    # As JSON, since version 1 of the CLI takes a parameter that is a URL for the place where the value is.
    aws iam create-open-id-connect-provider --url "https://$ISSUER" --client-id-list "[\"$AUDIENCE\"]" >/dev/null
  fi
  trust=$(cat <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Federated": "$PROVIDER_ARN"},
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "$ISSUER:aud": "$AUDIENCE",
          "$ISSUER:sub": "owner:$VERCEL_TEAM:project:$VERCEL_PROJECT:environment:production"
        }
      }
    }
  ]
}
JSON
  )
else
  trust=$(cat <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "ecs-tasks.amazonaws.com"},
      "Action": "sts:AssumeRole"
    }
  ]
}
JSON
  )
fi
aws iam create-role --role-name "$ROLE_NAME" --assume-role-policy-document "$trust" >/dev/null

begin "Step 1: the key and its alias"
KEY_ARN=$(aws kms create-key --description "$KEY_DESCRIPTION" \
  --tags TagKey=Application,TagValue=EONPRO TagKey=Environment,TagValue=Production \
  --query KeyMetadata.Arn --output text)
KEY_ID=${KEY_ARN##*/}
aws kms create-alias --alias-name "$KEY_ALIAS" --target-key-id "$KEY_ID"

# Here and not after step 3, because the policy of step 2 lets nobody but the application make a data key. The guide's
# script calls GenerateDataKey, which also answers with the key in the clear; this call does not.
begin "Step 4: the data key, never seen in the clear"
ENCRYPTED_PHI_KEY=$(aws kms generate-data-key-without-plaintext --key-id "$KEY_ARN" --key-spec AES_256 \
  --query CiphertextBlob --output text)

# As the guide has it: without a statement for the account, IAM policies alone open nothing here, and the administrator
# named is the only one. KMS takes it as long as the caller may put the next policy.
begin "Step 2: the key policy"
key_policy=$(cat <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Allow administration of the key",
      "Effect": "Allow",
      "Principal": {"AWS": "$ADMIN_ARN"},
      "Action": [
        "kms:Create*",
        "kms:Describe*",
        "kms:Enable*",
        "kms:List*",
        "kms:Put*",
        "kms:Update*",
        "kms:Revoke*",
        "kms:Disable*",
        "kms:Get*",
        "kms:Delete*",
        "kms:ScheduleKeyDeletion",
        "kms:CancelKeyDeletion"
      ],
      "Resource": "*"
    },
    {
      "Sid": "Allow use of the key for EONPRO",
      "Effect": "Allow",
      "Principal": {"AWS": "$ROLE_ARN"},
      "Action": [
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:DescribeKey"
      ],
      "Resource": "*"
    }
  ]
}
JSON
)
patiently "invalid principals" \
  aws kms put-key-policy --key-id "$KEY_ID" --policy-name default --policy "$key_policy"

# The guide's JSON has a policy within a policy, which IAM refuses; this is the inner one.
begin "Step 3: the application's IAM policy"
app_policy=$(cat <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
      "Resource": "$KEY_ARN"
    }
  ]
}
JSON
)
aws iam create-policy --policy-name "$POLICY_NAME" --policy-document "$app_policy" >/dev/null
aws iam attach-role-policy --role-name "$ROLE_NAME" --policy-arn "$POLICY_ARN"

begin "Step 6: key rotation"
aws kms enable-key-rotation --key-id "$KEY_ID"

# The guide has neither the bucket nor its policy, without which CloudTrail refuses to make the trail, and does not
# start it: a trail of the CLI records nothing until then.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
begin "Step 7: the trail"
if [ "$REGION" = us-east-1 ]; then
  aws s3api create-bucket --bucket "$TRAIL_BUCKET" >/dev/null
else
  aws s3api create-bucket --bucket "$TRAIL_BUCKET" --create-bucket-configuration "LocationConstraint=$REGION" >/dev/null
fi
TRAIL_ARN=arn:$PARTITION:cloudtrail:$REGION:$ACCOUNT:trail/$TRAIL_NAME
bucket_policy=$(cat <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "AWSCloudTrailAclCheck",
      "Effect": "Allow",
      "Principal": {"Service": "cloudtrail.amazonaws.com"},
      "Action": "s3:GetBucketAcl",
      "Resource": "arn:$PARTITION:s3:::$TRAIL_BUCKET",
      "Condition": {"StringEquals": {"aws:SourceArn": "$TRAIL_ARN"}}
    },
    {
      "Sid": "AWSCloudTrailWrite",
      "Effect": "Allow",
      "Principal": {"Service": "cloudtrail.amazonaws.com"},
      "Action": "s3:PutObject",
      "Resource": "arn:$PARTITION:s3:::$TRAIL_BUCKET/AWSLogs/$ACCOUNT/*",
      "Condition": {
        "StringEquals": {"aws:SourceArn": "$TRAIL_ARN", "s3:x-amz-acl": "bucket-owner-full-control"}
      }
    }
  ]
}
JSON
)
aws s3api put-bucket-policy --bucket "$TRAIL_BUCKET" --policy "$bucket_policy"
patiently InsufficientS3BucketPolicyException \
  aws cloudtrail create-trail --name "$TRAIL_NAME" --s3-bucket-name "$TRAIL_BUCKET" --include-global-service-events
aws cloudtrail start-logging --name "$TRAIL_NAME"

# Last, so that the application gets its variables when all that they need is there; and all three at once, since it
# makes itself another data key when the third alone is missing.
begin "Step 5: the application's variables"
if [ "$RUNS_ON" = vercel ]; then
  body=$(cat <<JSON
[
  {"key": "AWS_REGION", "value": "$REGION", "type": "$VERCEL_TYPE", "target": ["production"]},
  {"key": "AWS_KMS_KEY_ID", "value": "$KEY_ARN", "type": "$VERCEL_TYPE", "target": ["production"]},
  {"key": "ENCRYPTED_PHI_KEY", "value": "$ENCRYPTED_PHI_KEY", "type": "$VERCEL_TYPE", "target": ["production"]}
]
JSON
  )
  answer=$(vercel POST "/v10/projects/$VERCEL_PROJECT/env" "$body") || answer="no answer"
  given=$(vercel_names) || given=""
  for name in $NAMES; do
    case "$(printf ' %s ' $given)" in
      *" $name "*) ;;
      # It is wrapped, so that it may be shown; it is in no other place, so that it must be.
      *) stop "Vercel did not take $name (HTTP ${answer##*$'\n'}). Before the next deployment, put all three in by hand:" \
        "AWS_REGION=$REGION" "AWS_KMS_KEY_ID=$KEY_ARN" "ENCRYPTED_PHI_KEY=$ENCRYPTED_PHI_KEY" ;;
    esac
  done
else
  aws ssm put-parameter --name "$PARAMETER_PREFIX/AWS_REGION" --type String --value "$REGION" >/dev/null
  aws ssm put-parameter --name "$PARAMETER_PREFIX/AWS_KMS_KEY_ID" --type String --value "$KEY_ARN" >/dev/null
  aws ssm put-parameter --name "$PARAMETER_PREFIX/ENCRYPTED_PHI_KEY" --type SecureString \
    --value "$ENCRYPTED_PHI_KEY" >/dev/null
fi

STEP=""
say "Done."
say "  key     $KEY_ARN ($KEY_ALIAS)"
say "  role    $ROLE_ARN, with $POLICY_ARN"
say "  trail   $TRAIL_ARN, into $TRAIL_BUCKET"
if [ "$RUNS_ON" = vercel ]; then
  say "  Vercel  $NAMES, in production of $VERCEL_TEAM/$VERCEL_PROJECT; a new deployment reads them"
else
  say "  ECS     $NAMES, as parameters under $PARAMETER_PREFIX; refer to them in the task definition"
fi
