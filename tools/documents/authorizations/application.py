"""The tables of the application's permissions, and of the permissions to read its variables.

Pure.
"""

from components import policies
from components.settings import APPLICATION_VARIABLES
from components.targets.ecs import task_start_policy
from tools.documents.authorizations.principals import (
    ACCOUNT,
    APPLICATION,
    FOREIGN,
    IAM,
    KEY,
    REGION,
    REPLICA,
    settings,
)
from tools.documents.authorizations.rows import Kind, Table, Who, may, may_not

EXECUTION = Who(name="the ECS execution role", identity=f"{IAM}:role/eonpro-execution-role")
READER = Who(name="the role of External Secrets", identity=f"{IAM}:role/eonpro-secrets-role")
ALIAS = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/eonpro-phi-key"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-12ab-34cd-56ef-1234567890ab"
PARAMETERS = tuple(
    f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/eonpro/production/{name}" for name in APPLICATION_VARIABLES
)
SECRETS = tuple(
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:/eonpro/production/{name}" for name in APPLICATION_VARIABLES
)
STORED_KEY = PARAMETERS[2]
SECRET = f"{SECRETS[2]}-AbCdEf"
APPLICATION_SID = "UseThePhiKey"

IDENTITY = Table(
    title="EONPROKMSAccess, the application's own policy",
    about="What the application's role or user may do: on the key's ARN, not on an alias.",
    kind=Kind.IDENTITY,
    policy=policies.application_policy(key_arns=[KEY]),
    resource=KEY,
    rows=(
        *may(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", by=APPLICATION_SID),
        *may_not(
            APPLICATION,
            "kms:Encrypt",
            "kms:ReEncryptFrom",
            "kms:CreateGrant",
            "kms:PutKeyPolicy",
            "kms:GetKeyPolicy",
            "kms:ScheduleKeyDeletion",
            "kms:DisableKey",
            "kms:GenerateDataKeyWithoutPlaintext",
        ),
        *may_not(APPLICATION, "kms:Decrypt", "kms:DescribeKey", on=ALIAS, how="by the alias's ARN"),
        *may_not(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey", on=OTHER_KEY, how="with another key"),
        *may_not(APPLICATION, "kms:Decrypt", on=REPLICA, how="in another Region"),
        *may_not(APPLICATION, "kms:Decrypt", on=KEY.replace(ACCOUNT, FOREIGN), how="with a key of another account"),
        *may_not(APPLICATION, "kms:ListKeys", "iam:ListRoles", "sts:AssumeRole", on="*"),
        *may_not(APPLICATION, "ssm:GetParameters", "ssm:PutParameter", on=STORED_KEY),
    ),
)

IDENTITY_REPLICAS = Table(
    title="EONPROKMSAccess with a replica",
    about="The key and each of its replicas, named one by one.",
    kind=Kind.IDENTITY,
    policy=policies.application_policy(key_arns=[KEY, REPLICA]),
    resource=KEY,
    rows=(
        *may(APPLICATION, "kms:Decrypt", by=APPLICATION_SID),
        *may(APPLICATION, "kms:Decrypt", by=APPLICATION_SID, on=REPLICA, how="in the replica's Region"),
        *may_not(APPLICATION, "kms:Decrypt", on=KEY.replace(REGION, "eu-west-1"), how="in a Region without a replica"),
        *may_not(APPLICATION, "kms:Encrypt", "kms:ReplicateKey", on=REPLICA),
    ),
)

PARAMETERS_TABLE = Table(
    title="EONPROParameterAccess, for ECS",
    about="What the execution role may read: the three parameters, and no key.",
    kind=Kind.IDENTITY,
    policy=policies.parameter_policy(parameter_arns=PARAMETERS),
    resource=STORED_KEY,
    rows=(
        *may(EXECUTION, "ssm:GetParameters", by="ReadTheParameters"),
        *may(EXECUTION, "ssm:GetParameters", by="ReadTheParameters", on=PARAMETERS[0]),
        *may_not(EXECUTION, "ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter", "ssm:DeleteParameter"),
        *may_not(EXECUTION, "ssm:GetParametersByPath", on=STORED_KEY.rpartition("/")[0]),
        *may_not(
            EXECUTION,
            "ssm:GetParameters",
            on=STORED_KEY.replace("production", "staging"),
            how="of another environment",
        ),
        *may_not(EXECUTION, "ssm:GetParameters", on=STORED_KEY.replace(REGION, "eu-west-1"), how="in another Region"),
        *may_not(EXECUTION, "ssm:GetParameters", on=f"{STORED_KEY}_2", how="whose name begins the same"),
        *may_not(EXECUTION, "kms:Decrypt", on=KEY),
    ),
)

PARAMETERS_EKS = Table(
    title="EONPROParameterAccess, for EKS",
    about="External Secrets reads the parameters one by one.",
    kind=Kind.IDENTITY,
    policy=policies.parameter_policy(parameter_arns=PARAMETERS, one_by_one=True),
    resource=STORED_KEY,
    rows=(
        *may(READER, "ssm:GetParameter", "ssm:GetParameters", by="ReadTheParameters"),
        *may_not(READER, "ssm:PutParameter", "ssm:DeleteParameter", "ssm:GetParameterHistory"),
        *may_not(
            READER, "ssm:GetParameter", on=STORED_KEY.replace("production", "staging"), how="of another environment"
        ),
    ),
)

SECRETS_TABLE = Table(
    title="EONPROSecretAccess",
    about="Of the execution role and External Secrets, for variables in Secrets Manager.",
    kind=Kind.IDENTITY,
    policy=policies.secret_policy(secret_arns=SECRETS),
    resource=SECRET,
    rows=(
        *may(EXECUTION, "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", by="ReadTheSecrets"),
        *may_not(
            EXECUTION,
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:PutResourcePolicy",
        ),
        *may_not(
            EXECUTION,
            "secretsmanager:GetSecretValue",
            on=SECRET.replace("production", "staging"),
            how="of another environment",
        ),
        *may_not(
            EXECUTION,
            "secretsmanager:GetSecretValue",
            on=f"{SECRETS[2]}-backup-AbCdEf",
            how="whose name begins the same",
        ),
        *may_not(EXECUTION, "kms:Decrypt", on=KEY),
    ),
)

_IMAGE = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/portal"
_STREAM = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/portal:log-stream:web/1"
START = Table(
    title="The execution role's own policy",
    about="Pull the image from the account's own repositories, and write the log to its own log groups.",
    kind=Kind.IDENTITY,
    policy=task_start_policy(settings()),
    resource=_IMAGE,
    rows=(
        *may(EXECUTION, "ecr:GetAuthorizationToken", by="LogIn", on="*"),
        *may(EXECUTION, "ecr:BatchGetImage", by="PullTheImage"),
        *may(EXECUTION, "logs:CreateLogStream", "logs:PutLogEvents", by="WriteTheLog", on=_STREAM),
        *may_not(EXECUTION, "ecr:PutImage", "ecr:DeleteRepository"),
        *may_not(EXECUTION, "ecr:BatchGetImage", how="of another account", on=_IMAGE.replace(ACCOUNT, FOREIGN)),
        *may_not(EXECUTION, "logs:PutLogEvents", how="of another account", on=_STREAM.replace(ACCOUNT, FOREIGN)),
        *may_not(EXECUTION, "logs:GetLogEvents", on=_STREAM),
        *may_not(EXECUTION, "kms:Decrypt", on=KEY),
        *may_not(EXECUTION, "ssm:GetParameters", on=STORED_KEY),
        *may_not(EXECUTION, "iam:PassRole", on=EXECUTION.identity),
    ),
)

TABLES = (IDENTITY, IDENTITY_REPLICAS, PARAMETERS_TABLE, PARAMETERS_EKS, SECRETS_TABLE, START)
