#!/usr/bin/env bash
# The setup guide as a script: the same steps with the AWS CLI and curl, without the wizard.
#
#   eval "$(.venv/bin/eonpro-sandbox env)"    # to try it in the sandbox; without this line it uses your own account
#   bash examples/manual-setup/guide.sh
#
# It needs bash, aws, curl and python3, AWS credentials of an administrator, and for Vercel VERCEL_TOKEN.
# It creates everything once: when something exists already, it names it, changes nothing and exits with 1.
# Variables change the values: GUIDE_RUNS_ON=ecs bash examples/manual-setup/guide.sh
set -euo pipefail

REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
RUNS_ON=${GUIDE_RUNS_ON:-vercel}                          # vercel, or ecs: what can assume the role and gets the variables
APPLICATION=${GUIDE_APPLICATION:-eonpro}                  # what every name begins with
LABEL=$APPLICATION                                        # in tags and texts; the guide writes its own in capitals
[ "$LABEL" != eonpro ] || LABEL=EONPRO
KEY_DESCRIPTION="$LABEL PHI encryption key for HIPAA compliance"
KEY_ALIAS=${GUIDE_KEY_ALIAS:-alias/$APPLICATION-phi-key}
ROLE_NAME=${GUIDE_ROLE_NAME:-$APPLICATION-app-role}
POLICY_NAME=${GUIDE_POLICY_NAME:-${LABEL}KMSAccess}
TRAIL_NAME=${GUIDE_TRAIL_NAME:-$APPLICATION-audit-trail}
TRAIL_BUCKET=${GUIDE_TRAIL_BUCKET:-}                      # empty: eonpro-cloudtrail-logs-<account>; bucket names are global
ADMIN_ARN=${GUIDE_ADMIN_ARN:-}                            # empty: the caller
VERCEL_API_URL=${VERCEL_API_URL:-https://api.vercel.com}
VERCEL_TEAM=${GUIDE_VERCEL_TEAM:-eonpro}                  # the slug, as in vercel.com/<team>
VERCEL_PROJECT=${GUIDE_VERCEL_PROJECT:-eonpro}
VERCEL_TYPE=${GUIDE_VERCEL_TYPE:-encrypted}               # encrypted, or sensitive: a value that cannot be read back
PAUSE_SECONDS=${GUIDE_PAUSE_SECONDS:-5}                   # between two attempts, until AWS has propagated a change
PARAMETER_PREFIX=${GUIDE_PARAMETER_PREFIX:-/$APPLICATION} # for ECS

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

on_exit() {
  local code=$?
  if [ "$code" -ne 0 ] && [ -n "$STEP" ]; then
    printf '  Stopped in: %s. What was created before still exists; a second run names it.\n' "$STEP" >&2
  fi
}
trap on_exit EXIT

# Whether a resource exists: the command succeeds, or AWS answers with this code. Any other error stops the script.
exists() {
  local not_found=$1 output
  shift
  if output=$("$@" 2>&1 >/dev/null); then return 0; fi
  case $output in *"($not_found)"*) return 1 ;; esac
  case $output in *"(403)"*) stop "AWS does not allow this request: $*" "$output" \
    "the bucket may belong to another account, because bucket names are global: set GUIDE_TRAIL_BUCKET" ;; esac
  stop "AWS answered with another error: $*" "$output"
}

# Run a command, up to twelve times, while AWS answers with this text: a change in IAM or S3 reaches the other services
# within seconds, not at once.
retry() {
  local text=$1 left=12 output
  shift
  until output=$("$@" 2>&1); do
    left=$((left - 1))
    case $output in *"$text"*) [ "$left" -gt 0 ] || stop "AWS still refuses: $*" "$output" ;; *) stop "AWS refuses: $*" "$output" ;; esac
    sleep "$PAUSE_SECONDS"
  done
}

# Vercel's response to METHOD PATH [BODY] on standard output, with the status as the last line. curl gets the token on
# standard input, because every user of a machine can read the arguments of its processes.
vercel() (
  set +x
  case $VERCEL_TOKEN in *[!A-Za-z0-9._~+/=-]*) stop "VERCEL_TOKEN is not a token: it has a space, a quotation mark or a similar character" ;; esac
  printf 'header = "Authorization: Bearer %s"\n' "$VERCEL_TOKEN" |
    curl --config - --silent --show-error --max-time 30 --request "$1" --write-out '\n%{http_code}\n' \
      --header "Content-Type: application/json" ${3:+--data-binary "$3"} \
      "$VERCEL_API_URL$2?slug=$VERCEL_TEAM"
)

# Which of the three names a response of Vercel lists for production.
in_production() {
  python3 -c '
import json, sys
for variable in json.load(sys.stdin)["envs"]:
    targets = variable.get("target") or []
    if variable["key"] in sys.argv[1:] and "production" in ([targets] if isinstance(targets, str) else targets):
        print(variable["key"])' $NAMES
}

vercel_names() {
  local answer status
  answer=$(vercel GET "/v10/projects/$VERCEL_PROJECT/env") || stop "Vercel does not answer at $VERCEL_API_URL"
  status=${answer##*$'\n'}
  case $status in
    200) ;;
    403) stop "Vercel does not accept this token for the team $VERCEL_TEAM" "create one for the team: https://vercel.com/account/settings/tokens" ;;
    404) stop "Vercel has no project $VERCEL_PROJECT in the team $VERCEL_TEAM" "set GUIDE_VERCEL_TEAM and GUIDE_VERCEL_PROJECT" ;;
    *) stop "Vercel answered HTTP $status to the request for the project's variables" ;;
  esac
  printf '%s\n' "${answer%$'\n'*}" | in_production
}

# Before anything is created: the caller, the programs, and what exists already.

for program in aws curl python3; do
  command -v "$program" >/dev/null || stop "$program is not on the PATH"
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
    # The ARN of a session has no path of its role; IAM has the role's own ARN.
    session=${CALLER#*:assumed-role/}
    : "${ADMIN_ARN:=$(aws iam get-role --role-name "${session%%/*}" --query Role.Arn --output text)}"
    ;;
  *) : "${ADMIN_ARN:=$CALLER}" ;;
esac
: "${TRAIL_BUCKET:=$APPLICATION-cloudtrail-logs-$ACCOUNT}"

ROLE_ARN=arn:$PARTITION:iam::$ACCOUNT:role/$ROLE_NAME
POLICY_ARN=arn:$PARTITION:iam::$ACCOUNT:policy/$POLICY_NAME
ISSUER=oidc.vercel.com/$VERCEL_TEAM
AUDIENCE=https://vercel.com/$VERCEL_TEAM
PROVIDER_ARN=arn:$PARTITION:iam::$ACCOUNT:oidc-provider/$ISSUER

say "Account $ACCOUNT, $REGION; key administrator $ADMIN_ARN; application on $RUNS_ON"

EXISTING=()
aliased=$(aws kms list-aliases --query "Aliases[?AliasName=='$KEY_ALIAS'].[TargetKeyId]" --output text)
if [ -n "$aliased" ]; then EXISTING+=("$KEY_ALIAS, of the key $aliased"); fi
if exists NoSuchEntity aws iam get-role --role-name "$ROLE_NAME"; then EXISTING+=("the role $ROLE_NAME"); fi
if exists NoSuchEntity aws iam get-policy --policy-arn "$POLICY_ARN"; then EXISTING+=("the policy $POLICY_NAME"); fi
if exists TrailNotFoundException aws cloudtrail get-trail --name "$TRAIL_NAME"; then EXISTING+=("the trail $TRAIL_NAME"); fi
if exists 404 aws s3api head-bucket --bucket "$TRAIL_BUCKET"; then EXISTING+=("the bucket $TRAIL_BUCKET"); fi
if [ "$RUNS_ON" = vercel ]; then
  existing=$(vercel_names)
  for name in $existing; do EXISTING+=("$name in production of the Vercel project $VERCEL_PROJECT"); done
else
  for name in $NAMES; do
    if exists ParameterNotFound aws ssm get-parameter --name "$PARAMETER_PREFIX/$name"; then
      EXISTING+=("the parameter $PARAMETER_PREFIX/$name")
    fi
  done
fi
if [ "${#EXISTING[@]}" -gt 0 ]; then
  stop "already exists, nothing was changed:" "${EXISTING[@]}"
fi

# "Select the IAM role/user that will run EONPRO" (step 1, point 8): the guide assumes that the role exists.

begin "Step 1: the role that runs EONPRO"
if [ "$RUNS_ON" = vercel ]; then
  # An account has one provider for each URL. An existing one is used, if it has the audience of this team.
  if exists NoSuchEntity aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$PROVIDER_ARN"; then
    audiences=$(aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$PROVIDER_ARN" \
      --query ClientIDList --output text)
    case "$(printf ' %s ' $audiences)" in
      *" $AUDIENCE "*) ;;
      *) stop "$PROVIDER_ARN does not have the audience $AUDIENCE" \
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn $PROVIDER_ARN --client-id $AUDIENCE" ;;
    esac
  else
    # As JSON: version 1 of the CLI would download a parameter that is a URL.
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
  --tags TagKey=Application,TagValue="$LABEL" TagKey=Environment,TagValue=Production \
  --query KeyMetadata.Arn --output text)
KEY_ID=${KEY_ARN##*/}
aws kms create-alias --alias-name "$KEY_ALIAS" --target-key-id "$KEY_ID"

# Here and not after step 3: the policy of step 2 allows only the application to generate a data key. The guide's script
# calls GenerateDataKey, which also returns the plaintext key; this call does not.
begin "Step 4: the data key, without its plaintext"
ENCRYPTED_PHI_KEY=$(aws kms generate-data-key-without-plaintext --key-id "$KEY_ARN" --key-spec AES_256 \
  --query CiphertextBlob --output text)

# As in the guide: without a statement for the account, IAM policies have no effect on this key, and there is one
# administrator. KMS accepts the policy if the caller can put the next one.
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
      "Sid": "Allow use of the key for $LABEL",
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
retry "invalid principals" \
  aws kms put-key-policy --key-id "$KEY_ID" --policy-name default --policy "$key_policy"

# The guide's JSON has a policy inside a policy, which IAM refuses; this is the inner one.
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

# The guide has neither the bucket nor its policy, without which CloudTrail refuses to create the trail. It does not start
# the trail either: a trail that the CLI creates records nothing until then.
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
retry InsufficientS3BucketPolicyException \
  aws cloudtrail create-trail --name "$TRAIL_NAME" --s3-bucket-name "$TRAIL_BUCKET" --include-global-service-events
aws cloudtrail start-logging --name "$TRAIL_NAME"

# Last, so that everything exists when the application gets its variables. All three at once: with only the third missing
# the application generates another data key.
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
  existing=$(vercel_names) || existing=""
  for name in $NAMES; do
    case "$(printf ' %s ' $existing)" in
      *" $name "*) ;;
      # The data key is wrapped, so it can be shown; it is stored nowhere else, so it must be shown.
      *) stop "Vercel did not accept $name (HTTP ${answer##*$'\n'}). Before the next deployment, set all three manually:" \
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
