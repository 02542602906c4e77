"""The faults: what somebody did to the account, the target, the state, the settings, this terminal.

Each is done to the world of the night that it is given.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.policies.document_buckets import bucket_statements
from components.policies.key import DELETION_DENIALS, DENY_SHORT_WINDOW
from tests.blind.night import Night
from tests.blind.outcomes import IN_THE_APPLICATION, Fault
from tests.chaos.world import PASSPHRASE
from tests.onboarding.deployment import ACCESS_LOG_BUCKET, ACCOUNT, ALIAS, BUCKET, STORED_KEY, until
from wizard.account.judgements.s3_documents import default_encryption
from wizard.vercel.variable_state import ONE_REQUEST

Does = Callable[[Night], None]

ROLE, POLICY = "eonpro-app-role", f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"
TRAIL, TOPIC = "eonpro-audit-trail", f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
FALLBACK_TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro"
STRANGER = "arn:aws:iam::999988887777:root"
VARIABLES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
PREVIEWS = tuple(f"vercel {name} in {where}" for name in VARIABLES for where in ("preview", "development"))
"""What other environments read is theirs: no command takes it from them."""
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
UNREACHABLE = "http://127.0.0.1:9"
KEPT = ("parameter /eonpro/production/data-keys/",)
"""A data key that is replaced is kept as a version, and so is one that is taken in."""
DEAD_PROXY = {"HTTP_PROXY": UNREACHABLE, "HTTPS_PROXY": UNREACHABLE, "NO_PROXY": None, "no_proxy": None}
NOBODY = {"Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}, "Action": "kms:Decrypt"}
DOCUMENTS, OBJECTS = "clinic-documents", "arn:aws:s3:::clinic-documents"
OF_DOCUMENTS = ("alias", "bucket clinic-documents", "key ", "rule", "settings", "state")
"""What the key of the documents adds."""
ANSWERS = ("--answers", "examples/vercel.yaml", "--yes")


# --- what a person does


def key(night: Night) -> str:
    """The ARN of the stack's key."""
    return night.cloud.keys()[0]


def aws(service: str, operation: str, **given: Any) -> Does:
    """One call of AWS; `KEY` in its arguments is the stack's key, `LOGS` the key of the logs."""

    def do(night: Night) -> None:
        names = {"KEY": key(night), "LOGS": night.cloud.log_keys()[0]}
        getattr(night.cloud.client(service), operation)(
            **{name: names.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
        )

    return do


def both(*does: Does) -> Does:
    """One after the other."""

    def do(night: Night) -> None:
        for each in does:
            each(night)

    return do


def policy(*statements: dict[str, Any]) -> str:
    """The text of a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def key_policy(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], logs: bool = False) -> Does:
    """The key's policy with other statements."""

    def do(night: Night) -> None:
        kms, arn = night.cloud.client("kms"), night.cloud.log_keys()[0] if logs else key(night)
        found = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        changed = json.dumps({**found, "Statement": change(found["Statement"])})
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=changed)

    return do


def bucket_policy(bucket: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Does:
    """A bucket's policy with other statements."""

    def do(night: Night) -> None:
        s3 = night.cloud.client("s3")
        found = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**found, "Statement": change(found["Statement"])}))

    return do


def unset(*names: str) -> Does:
    """Variables deleted on Vercel."""

    def do(night: Night) -> None:
        for name, each in night.cloud.variables().items():
            if name in names:
                night.cloud.vercel("DELETE", f"/v9/projects/eonpro/env/{each['id']}")

    return do


def edited(name: str, **fields: Any) -> Does:
    """A variable edited on Vercel; its comment stays."""

    def do(night: Night) -> None:
        found = night.cloud.variables()
        # A person's edit: what is changed in the second of a delivery has the times of a delivery.
        delivered = max(each["updatedAt"] for each in found.values())
        until(lambda: time.time() * 1000 > delivered + ONE_REQUEST)
        night.cloud.vercel("PATCH", f"/v9/projects/eonpro/env/{found[name]['id']}", fields)

    return do


def deleted(*names: str, everything: bool = False) -> Does:
    """Parameters deleted; `*` at the end for all that begin so."""

    def do(night: Night) -> None:
        ssm = night.cloud.client("ssm")
        there = ssm.get_parameters_by_path(Path="/eonpro", Recursive=True)["Parameters"]
        gone = [
            each["Name"]
            for each in there
            if everything or any(re.fullmatch(re.escape(name).replace(r"\*", ".*"), each["Name"]) for name in names)
        ]
        ssm.delete_parameters(Names=gone)

    return do


def written(name: str, value: str) -> Does:
    """A parameter overwritten; `*` for every one of the versions."""

    def do(night: Night) -> None:
        ssm = night.cloud.client("ssm")
        names = [each for each in night.cloud.parameters() if each.startswith(name.rstrip("*"))]
        for each in names if name.endswith("*") else [name]:
            ssm.put_parameter(Name=each, Value=value, Overwrite=True)

    return do


def exported(**variables: str | None) -> Does:
    """This terminal's variables; None takes one away."""

    def do(night: Night) -> None:
        for name, value in variables.items():
            if value is None:
                night.environment.pop(name, None)
            else:
                night.environment[name] = value.format(root=night.cloud.root)

    return do


def typed(*words: str) -> Does:
    """A command of the wizard that ran before."""

    def do(night: Night) -> None:
        ended = night.wizard(*words, "--stack", "production", "--non-interactive")
        assert ended.code == 0, f"{words}: {ended.code}\n{ended.out}{ended.err}"

    return do


def shell(command: str) -> Does:
    """A command of the shell that ran before, in the project's folder."""

    def do(night: Night) -> None:
        night.paste(command)

    return do


def documents(change: Callable[[Any, str], object]) -> Does:
    """A stack with a bucket of documents and their key, as it should be, and then what somebody did to the bucket."""

    def do(night: Night) -> None:
        s3 = night.cloud.client("s3")
        s3.create_bucket(Bucket=DOCUMENTS)
        words = ("setup", "--stack", "production", "--document-buckets", DOCUMENTS, "--documents-key", "yes", "--yes")
        night.wizard(*words, "--non-interactive")
        key: str = night.cloud.outputs()["documentsKeyArn"]
        s3.put_bucket_encryption(Bucket=DOCUMENTS, ServerSideEncryptionConfiguration=dict(default_encryption(key)))
        statements = bucket_statements(bucket=DOCUMENTS, key_arn=key)
        s3.put_bucket_policy(Bucket=DOCUMENTS, Policy=policy(*statements))
        change(s3, key)

    return do


def _documents_open(s3: Any, key: str) -> None:
    reads = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "s3:GetObject", "Resource": f"{OBJECTS}/*"}
    s3.put_bucket_policy(Bucket=DOCUMENTS, Policy=policy(reads, *bucket_statements(bucket=DOCUMENTS, key_arn=key)))


def _documents_under_s3_s_keys(s3: Any, key: str) -> None:
    by_s3 = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=DOCUMENTS, ServerSideEncryptionConfiguration={"Rules": [by_s3]})


def settings(change: Callable[[str], str]) -> Does:
    """The settings file with another text."""

    def do(night: Night) -> None:
        night.settings.write_text(change(night.settings.read_text()))

    return do


def setting(name: str, value: str) -> Does:
    """One setting with another value, whatever it was."""
    return settings(lambda text: re.sub(rf"(?m)^  {name}: .*$", f"  {name}: {value}", text))


def state(change: Callable[[str], str]) -> Does:
    """The state file with another text."""

    def do(night: Night) -> None:
        night.state.write_text(change(night.state.read_text()))

    return do


def resources(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Does:
    """The state with other resources."""

    def changed(text: str) -> str:
        found = json.loads(text)
        latest = found["checkpoint"]["latest"]
        latest["resources"] = change(latest["resources"])
        return json.dumps(found)

    return state(changed)


def lock(text: str = "", *, host: str = "build-7", hours: float = 30.0) -> Does:
    """A lock that another machine left, as Pulumi writes it; or a file with that text."""

    def do(night: Night) -> None:
        since = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        owner = {"pid": 4711, "username": "ada", "hostname": host, "timestamp": since}
        folder = night.backend / ".pulumi/locks/organization/eonpro-kms/production"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "5f0c1a9e-7a53-4e8e-9d0e-0123456789ab.json").write_text(text or json.dumps(owner))

    return do


def _torn(night: Night) -> None:
    night.state.with_name("production.json.attrs").write_text('{"user.cache_con')
    night.state.with_name("production.json.bak.attrs").write_text("")
    CUT(night)


def _stale_lock(night: Night) -> None:
    lock()(night)


def _other_backend(night: Night) -> None:
    empty = night.cloud.root / "empty-backend"
    empty.mkdir()
    night.environment["PULUMI_BACKEND_URL"] = f"file://{empty}"


def _no_engine(night: Night) -> None:
    night.environment.pop("EONPRO_ENGINE", None)
    without = [each for each in night.environment["PATH"].split(os.pathsep) if not Path(each, "pulumi").exists()]
    night.environment["PATH"] = os.pathsep.join(without)


def _alias_moved(night: Night) -> None:
    kms = night.cloud.client("kms")
    other = kms.create_key(Description="somebody's own")["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=ALIAS, TargetKeyId=other)


def _grant(night: Night) -> None:
    night.cloud.client("kms").create_grant(
        KeyId=key(night), GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/platform-admin", Operations=["Decrypt"]
    )


def stranger(principal: Any, action: str = "kms:Decrypt", **more: Any) -> Does:
    """A statement of the key's policy that the settings do not give."""
    statement = {"Sid": "More", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **more}
    statement = {name: value for name, value in statement.items() if value is not None}
    return key_policy(lambda found: [*found, statement])


def granted(*operations: str, **more: Any) -> Does:
    """A grant on the key."""
    given: dict[str, Any] = {"GranteePrincipal": STRANGER, "Operations": list(operations), **more}
    return aws("kms", "create_grant", KeyId="KEY", **given)


def _vendor(night: Night) -> None:
    iam = night.cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="vendor", AssumeRolePolicyDocument=policy(trust))
    every_key = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
    iam.put_role_policy(RoleName="vendor", PolicyName="keys", PolicyDocument=every_key)


def _another(night: Night) -> str:
    other = night.cloud.client("kms").generate_data_key_without_plaintext(KeyId=key(night), KeySpec="AES_256")
    return base64.b64encode(other["CiphertextBlob"]).decode()


def _other_data_key(night: Night) -> None:
    edited("ENCRYPTED_PHI_KEY", value=_another(night))(night)


def _former(night: Night) -> str:
    """The name of the version that was in use before the rotation."""
    stored = night.cloud.parameters()[STORED_KEY]
    [former] = [
        name
        for name, value in night.cloud.parameters().items()
        if "/data-keys/" in name and "/new/" not in name and value != stored
    ]
    return former


def _of_before(night: Night) -> None:
    edited("ENCRYPTED_PHI_KEY", value=night.cloud.parameters()[_former(night)])(night)


def _first_version_gone(night: Night) -> None:
    deleted(_former(night))(night)


def _cut_off(night: Night) -> None:
    variable("ENCRYPTED_PHI_KEY", night.cloud.parameters()[STORED_KEY][:-40])(night)


def _no_tokens(night: Night) -> None:
    night.cloud.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"enabled": False}})


def _boundary(night: Night) -> None:
    iam = night.cloud.client("iam")
    alone = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    made = iam.create_policy(PolicyName="s3-alone", PolicyDocument=alone)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=made)


def _bucket_open(bucket: str) -> Does:
    """Another account may read the records, delete them, and lift their lock."""
    actions = ["s3:GetObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
    statement = {
        "Sid": "More",
        "Effect": "Allow",
        "Principal": {"AWS": STRANGER},
        "Action": actions,
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return bucket_policy(bucket, lambda found: [*found, statement])


def without(*sids: str) -> Does:
    """The key's policy without these statements."""
    return key_policy(lambda found: [each for each in found if each["Sid"] not in sids])


def _lock_of_a_day(night: Night) -> None:
    day = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    night.cloud.client("s3").put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=day)


def _logs_grant(night: Night) -> None:
    night.cloud.client("kms").create_grant(
        KeyId=night.cloud.log_keys()[0], GranteePrincipal=STRANGER, Operations=["Decrypt"]
    )


def _replica_elsewhere(night: Night) -> None:
    """Somebody makes a replica in a Region that the settings do not name, and another account may use it there."""
    arn = key(night)
    night.cloud.client("kms").replicate_key(KeyId=arn, ReplicaRegion="eu-west-1")
    there = night.cloud.client("kms", region="eu-west-1")
    replica = arn.replace(":us-east-1:", ":eu-west-1:")
    found = json.loads(there.get_key_policy(KeyId=replica, PolicyName="default")["Policy"])
    more = {"Sid": "More", "Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "kms:Decrypt", "Resource": "*"}
    changed = json.dumps({**found, "Statement": [*found["Statement"], more]})
    there.put_key_policy(KeyId=replica, PolicyName="default", Policy=changed)


def _role(name: str, principal: dict[str, str], *actions: str) -> Does:
    """A new role of the account that may decrypt with every key."""

    def do(night: Night) -> None:
        iam = night.cloud.client("iam")
        trust = {"Effect": "Allow", "Principal": principal, "Action": list(actions or ("sts:AssumeRole",))}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        every_key = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="keys", PolicyDocument=every_key)

    return do


def _no_subscriber(night: Night) -> None:
    _unsubscribe(night, TOPIC)


def _no_subscriber_of_the_fallback(night: Night) -> None:
    _unsubscribe(night, FALLBACK_TOPIC)


def _unsubscribe(night: Night, topic: str) -> None:
    sns = night.cloud.client("sns")
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


def _fallback_rule_deleted(night: Night) -> None:
    events = night.cloud.client("events")
    events.remove_targets(Rule="eonpro-fallback-alerts", Ids=["alerts"])
    events.delete_rule(Name="eonpro-fallback-alerts")


def _alarm_too_high(night: Night) -> None:
    watch = night.cloud.client("cloudwatch")
    [alarm] = watch.describe_alarms(AlarmNames=["eonpro-denied-use"])["MetricAlarms"]
    known = watch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    watch.put_metric_alarm(**{name: value for name, value in alarm.items() if name in known} | {"Threshold": 1e6})


def _misspelt(night: Night) -> None:
    key, secret = (night.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with Path(night.environment["AWS_CONFIG_FILE"]).open("a") as config:
        config.write(f"\n[profile clinic]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    exported(AWS_PROFILE="clinc", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)(night)


def _policy_version(night: Night, *statements: dict[str, Any]) -> None:
    night.cloud.client("iam").create_policy_version(
        PolicyArn=POLICY, PolicyDocument=policy(*statements), SetAsDefault=True
    )


def _trust_open(night: Night) -> None:
    iam = night.cloud.client("iam")
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    [statement] = trust["Statement"]
    condition = {"StringEquals": {"oidc.vercel.com/eonpro:aud": "https://vercel.com/eonpro"}}
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy({**statement, "Condition": condition}))


def _rule_deleted(night: Night) -> None:
    events = night.cloud.client("events")
    targets = events.list_targets_by_rule(Rule="eonpro-key-changes")["Targets"]
    events.remove_targets(Rule="eonpro-key-changes", Ids=[each["Id"] for each in targets])
    events.delete_rule(Name="eonpro-key-changes")


def _rule_silent(night: Night) -> None:
    events = night.cloud.client("events")
    targets = events.list_targets_by_rule(Rule="eonpro-key-changes")["Targets"]
    events.remove_targets(Rule="eonpro-key-changes", Ids=[each["Id"] for each in targets])


def _bucket_elsewhere(night: Night) -> None:
    s3 = night.cloud.client("s3")
    s3.create_bucket(Bucket="logs-of-somebody")
    text = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    s3.put_bucket_policy(Bucket="logs-of-somebody", Policy=json.dumps(text).replace(BUCKET, "logs-of-somebody"))
    night.cloud.client("cloudtrail").update_trail(Name=TRAIL, S3BucketName="logs-of-somebody")


def _service(night: Night, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    ecs = night.cloud.client("ecs")
    [one] = ecs.describe_services(cluster="eonpro", services=["eonpro"])["services"]
    task = ecs.describe_task_definition(taskDefinition=one["taskDefinition"])["taskDefinition"]
    names = ("family", "containerDefinitions", "taskRoleArn", "executionRoleArn")
    made = ecs.register_task_definition(**{name: task[name] for name in names} | change(task))
    ecs.update_service(cluster="eonpro", service="eonpro", taskDefinition=made["taskDefinition"]["taskDefinitionArn"])
    for _ in range(4):
        ecs.describe_services(cluster="eonpro", services=["eonpro"])


def _service_without(night: Night) -> None:
    _service(
        night,
        lambda task: {"containerDefinitions": [{**each, "secrets": []} for each in task["containerDefinitions"]]},
    )


def _other_role(night: Night) -> None:
    _service(night, lambda task: {"taskRoleArn": task["executionRoleArn"]})


def _execution_role(night: Night) -> None:
    iam = night.cloud.client("iam")
    for each in iam.list_attached_role_policies(RoleName="eonpro-execution-role")["AttachedPolicies"]:
        iam.detach_role_policy(RoleName="eonpro-execution-role", PolicyArn=each["PolicyArn"])


def _access_key(change: str) -> Does:
    def do(night: Night) -> None:
        iam = night.cloud.client("iam")
        [user] = [each["UserName"] for each in iam.list_users()["Users"] if each["UserName"].startswith("eonpro")]
        for each in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            if change == "deleted":
                iam.delete_access_key(UserName=user, AccessKeyId=each["AccessKeyId"])
            else:
                iam.update_access_key(UserName=user, AccessKeyId=each["AccessKeyId"], Status="Inactive")

    return do


def refused(error: str, **where: Any) -> Does:
    """AWS refuses every call, or those."""

    def do(night: Night) -> None:
        night.refusals.append({"error": error, "times": 9999, **where})
        night.cloud.fault(**night.refusals[-1])

    return do


def _expired(night: Night) -> None:
    old = night.environment["AWS_ACCESS_KEY_ID"]
    iam = night.cloud.client("iam")
    [user] = [each["UserName"] for each in iam.list_users()["Users"] if _has_key(night, each["UserName"], old)]
    new = iam.create_access_key(UserName=user)["AccessKey"]
    night.signs_in_as(new["AccessKeyId"], new["SecretAccessKey"])
    refused("ExpiredTokenException", access_key_id=old)(night)


def _has_key(night: Night, user: str, key: str) -> bool:
    keys = night.cloud.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return key in {each["AccessKeyId"] for each in keys}


def _no_project(night: Night) -> None:
    night.cloud.vercel("DELETE", "/v9/projects/eonpro")


def _stored_as(value: Callable[[Night], str], **more: Any) -> Does:
    def do(night: Night) -> None:
        night.cloud.client("ssm").put_parameter(Name=STORED_KEY, Value=value(night), Overwrite=True, **more)

    return do


def _stored_with_tags(night: Night) -> None:
    """Only the key check value shows it: the tags name the data key that is stored."""
    other = _another(night)
    _stored_as(lambda night: other)(night)
    fingerprint = f"sha256:{hashlib.sha256(base64.b64decode(other)).hexdigest()[:16]}"
    night.cloud.client("ssm").add_tags_to_resource(
        ResourceType="Parameter", ResourceId=STORED_KEY, Tags=[{"Key": "eonpro:fingerprint", "Value": fingerprint}]
    )


def _no_tags(night: Night) -> None:
    ssm = night.cloud.client("ssm")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=STORED_KEY)["TagList"]
    keys = [each["Key"] for each in tags]
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=STORED_KEY, TagKeys=keys)


def _role_gone(night: Night) -> None:
    DETACHED(night)
    night.cloud.client("iam").delete_role(RoleName=ROLE)


def _policy_gone(night: Night) -> None:
    iam = night.cloud.client("iam")
    for version in iam.list_policy_versions(PolicyArn=POLICY)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=POLICY, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=POLICY)


def _pending(night: Night) -> None:
    found = json.loads(night.state.read_text())
    latest = found["checkpoint"]["latest"]
    trail = next(each for each in latest["resources"] if each["urn"].endswith("Trail::audit-trail"))
    latest["pending_operations"] = [{"resource": trail, "type": "updating"}]
    night.state.write_text(json.dumps(found))


def variable(name: str, value: str, *target: str) -> Does:
    """A variable deleted and made anew by hand, without our comment."""

    def do(night: Night) -> None:
        unset(name)(night)
        wanted = {"key": name, "value": value, "type": "encrypted", "target": list(target or ("production",))}
        night.cloud.vercel("POST", "/v10/projects/eonpro/env", wanted)

    return do


NOTHING: Does = lambda night: None  # noqa: E731 - what is typed is the fault
DISABLED = aws("kms", "disable_key", KeyId="KEY")
STOPPED = aws("cloudtrail", "stop_logging", Name=TRAIL)
DETACHED = aws("iam", "detach_role_policy", RoleName=ROLE, PolicyArn=POLICY)
CUT = state(lambda text: text[:2000])
UNDER_ITS_COMMENT = edited("ENCRYPTED_PHI_KEY", value=base64.b64encode(b"\x07" * 184).decode())
NO_SETTINGS: Does = lambda night: night.settings.unlink()  # noqa: E731 - a fault as any other
MARKERS = settings(lambda text: text.replace("config:\n", "config:\n<<<<<<< HEAD\n=======\n>>>>>>> theirs\n"))
NOT_DELIVERED = unset(*VARIABLES)
NO_TOPIC = aws("sns", "delete_topic", TopicArn=TOPIC)
DENIES = aws(
    "iam", "put_role_policy", RoleName=ROLE, PolicyName="freeze",
    PolicyDocument=policy({"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}),
)  # fmt: skip
STORED_GONE = deleted(STORED_KEY)
NO_PASSPHRASE = exported(PULUMI_CONFIG_PASSPHRASE=None)
WITH_BACKUP = typed("backup", "--to", "backup.json")

NAMED = (
    Fault(name="state-truncated", do=CUT, whole=True),
    Fault(name="state-deleted", do=lambda night: night.state.unlink(), whole=True),
    Fault(
        name="attributes-torn",
        do=_torn,
        whole=True,
    ),
    Fault(name="lock-of-another-machine", do=_stale_lock, whole=True),
    Fault(name="lock-garbage", do=lock("{not json"), whole=True),
    Fault(name="backend-wrong", do=_other_backend, whole=True),
    Fault(name="backend-none", do=exported(PULUMI_BACKEND_URL=None), whole=True),
    Fault(name="engine-none", do=_no_engine, whole=True),
    Fault(name="passphrase-none", do=NO_PASSPHRASE, whole=True, typed=PASSPHRASE),
    Fault(name="passphrase-wrong", do=exported(PULUMI_CONFIG_PASSPHRASE="not-it"), whole=True, typed=PASSPHRASE),
    Fault(
        name="proxy",
        do=exported(AWS_ENDPOINT_URL="http://aws.clinic.example", **DEAD_PROXY),
    ),
    Fault(name="endpoint-dead", do=exported(AWS_ENDPOINT_URL=UNREACHABLE)),
    Fault(name="credentials-expired", do=_expired),
    Fault(name="reading-denied", do=refused("AccessDeniedException", operation="GetTrailStatus")),
    Fault(name="credentials-unknown", do=exported(AWS_ACCESS_KEY_ID="AKIAAAAAAAAAAAAAAAAA")),
    Fault(name="settings-merge-conflict", do=MARKERS, whole=True),
    Fault(
        name="settings-unknown-key",
        do=setting("eonpro-kms:rotationPeriodDays", "'365'\n  eonpro-kms:rotationPeriodDay: '365'"),
        whole=True,
    ),
    Fault(
        name="settings-wrong-account",
        do=settings(lambda text: text.replace(ACCOUNT, "999988887777")),
        whole=True,
    ),
    Fault(
        name="stored-key-deleted-with-backup", do=both(WITH_BACKUP, deleted("/eonpro/production/ENC*", "*/data-keys/*"))
    ),
    Fault(name="stored-key-deleted", do=STORED_GONE),
    Fault(name="value-edited-under-its-comment", do=UNDER_ITS_COMMENT),
    Fault(name="grant-of-a-stranger", do=_grant),
    Fault(name="after-destroy", do=typed("destroy", "--confirm", "production"), whole=True),
    Fault(
        name="second-trail",
        do=both(shell("bash examples/manual-setup/trail.sh"), aws("cloudtrail", "delete_trail", Name=TRAIL)),
        stays=("trail company-trail", "bucket company-trail"),
    ),
)
"""What was tried in a real terminal, and did not heal, or did harm."""

IN_THE_ACCOUNT = (
    Fault(name="key-policy-of-the-default", do=key_policy(lambda found: found[:1])),
    Fault(
        name="key-policy-without-administrator",
        do=key_policy(lambda found: [e for e in found if "dministr" not in e["Sid"]]),
    ),
    Fault(
        name="key-policy-lets-an-administrator-decrypt",
        do=key_policy(
            lambda found: [
                *found,
                {
                    "Sid": "Me too",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/platform-admin"},
                    "Action": "kms:Decrypt",
                    "Resource": "*",
                },
            ]
        ),
    ),  # fmt: skip
    Fault(
        name="key-policy-any-principal",
        do=key_policy(
            lambda found: [
                *found,
                {
                    "Sid": "All",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "kms:*",
                    "Resource": "*",
                },
            ]
        ),
    ),  # fmt: skip
    Fault(
        name="grant-of-another-account",
        do=aws(
            "kms",
            "create_grant",
            KeyId="KEY",
            GranteePrincipal=STRANGER,
            Operations=["Decrypt", "GenerateDataKey"],
        ),
    ),  # fmt: skip
    Fault(name="key-policy-of-another-account", do=stranger({"AWS": STRANGER})),
    Fault(name="key-policy-of-all-but-one", do=stranger(None, NotPrincipal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})),
    Fault(name="key-policy-of-a-service", do=stranger({"Service": "lambda.amazonaws.com"})),
    Fault(
        name="key-policy-under-a-weak-condition",
        do=stranger("*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
    ),
    Fault(name="key-policy-gives-grants", do=stranger({"AWS": STRANGER}, "kms:CreateGrant")),
    Fault(name="key-policy-gives-itself", do=stranger({"AWS": STRANGER}, "kms:PutKeyPolicy")),
    Fault(name="key-policy-re-encrypts", do=stranger({"AWS": STRANGER}, "kms:ReEncryptFrom")),
    Fault(name="grant-without-decryption", do=granted("ReEncryptFrom")),
    Fault(
        name="grant-in-one-context", do=granted("Decrypt", Constraints={"EncryptionContextEquals": {"patient": "1"}})
    ),
    Fault(
        name="grant-that-a-stranger-retires",
        do=granted("Decrypt", GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", RetiringPrincipal=STRANGER),
    ),
    Fault(name="role-of-a-vendor", do=_vendor, stays=("role vendor",)),
    Fault(name="logs-key-disabled", do=aws("kms", "disable_key", KeyId="LOGS")),
    Fault(
        name="key-to-be-deleted",
        do=both(
            key_policy(lambda found: [each for each in found if each["Effect"] == "Allow"]),
            aws("kms", "schedule_key_deletion", KeyId="KEY", PendingWindowInDays=7),
        ),
    ),
    Fault(
        name="logs-key-to-be-deleted",
        do=both(
            key_policy(lambda found: [each for each in found if each["Effect"] == "Allow"], logs=True),
            aws("kms", "schedule_key_deletion", KeyId="LOGS", PendingWindowInDays=7),
        ),
        whole=True,
    ),
    Fault(name="logs-key-policy-without-cloudtrail", do=key_policy(lambda found: found[:1], logs=True), whole=True),
    Fault(name="logs-alias-deleted", do=aws("kms", "delete_alias", AliasName="alias/eonpro-audit-key"), whole=True),
    Fault(
        name="application-is-administrator",
        do=both(
            aws("iam", "create_policy", PolicyName="everything", PolicyDocument=policy(EVERYTHING)),
            aws("iam", "attach_role_policy", RoleName=ROLE, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/everything"),
        ),
        stays=("policy everything",),
    ),  # fmt: skip
    Fault(
        name="application-has-an-inline-policy",
        do=aws(
            "iam",
            "put_role_policy",
            RoleName=ROLE,
            PolicyName="extra",
            PolicyDocument=policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
        ),
    ),  # fmt: skip
    Fault(name="trust-of-every-project", do=_trust_open),
    Fault(name="role-without-tags", do=aws("iam", "untag_role", RoleName=ROLE, TagKeys=["Application"]), whole=True),
    Fault(
        name="policy-allows-all-of-kms",
        do=lambda night: _policy_version(night, {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}),
    ),  # fmt: skip
    Fault(
        name="trail-records-writes-only",
        do=aws(
            "cloudtrail",
            "put_event_selectors",
            TrailName=TRAIL,
            EventSelectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}],
        ),
    ),  # fmt: skip
    Fault(
        name="trail-without-global-events",
        do=aws("cloudtrail", "update_trail", Name=TRAIL, IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False),
    ),  # fmt: skip
    Fault(name="boundary-of-s3-alone", do=_boundary, stays=("policy s3-alone",)),
    Fault(
        name="key-policy-denies-the-application",
        do=key_policy(lambda found: [*found, {**NOBODY, "Sid": "Freeze", "Resource": "*"}]),
    ),
    Fault(name="provider-deleted", do=aws("iam", "delete_open_id_connect_provider", OpenIDConnectProviderArn=PROVIDER)),
    Fault(name="rule-disabled", do=aws("events", "disable_rule", Name="eonpro-key-changes")),
    Fault(name="alarm-too-high", do=_alarm_too_high, whole=True),
    Fault(
        name="topic-closed-to-the-rules",
        do=aws(
            "sns",
            "set_topic_attributes",
            TopicArn=TOPIC,
            AttributeName="Policy",
            AttributeValue=policy({**NOBODY, "Action": "sns:Publish", "Resource": TOPIC}),
        ),
    ),  # fmt: skip
    Fault(
        name="key-of-the-alerts-without-their-statement",
        do=key_policy(
            lambda found: [each for each in found if each["Sid"] != "Allow alerts to be published"], logs=True
        ),
    ),
    Fault(name="fallback-topic-deleted", do=aws("sns", "delete_topic", TopicArn=FALLBACK_TOPIC)),
    Fault(name="fallback-rule-deleted", do=_fallback_rule_deleted),
    Fault(
        name="fallback-without-target",
        do=aws("events", "remove_targets", Rule="eonpro-fallback-alerts", Ids=["alerts"]),
    ),
    Fault(
        name="fallback-to-another-topic",
        do=aws(
            "events",
            "put_targets",
            Rule="eonpro-fallback-alerts",
            Targets=[{"Id": "alerts", "Arn": TOPIC}],
        ),
    ),
    Fault(
        name="fallback-topic-open-to-all",
        do=aws(
            "sns",
            "set_topic_attributes",
            TopicArn=FALLBACK_TOPIC,
            AttributeName="Policy",
            AttributeValue=policy({"Effect": "Allow", "Principal": "*", "Action": "sns:*", "Resource": FALLBACK_TOPIC}),
        ),
    ),
    Fault(
        name="fallback-topic-with-a-key",
        do=aws(
            "sns",
            "set_topic_attributes",
            TopicArn=FALLBACK_TOPIC,
            AttributeName="KmsMasterKeyId",
            AttributeValue="LOGS",
        ),
    ),
    Fault(name="trail-to-another-bucket", do=_bucket_elsewhere, stays=("bucket logs-of-somebody",)),
    Fault(name="bucket-without-policy", do=aws("s3", "delete_bucket_policy", Bucket=BUCKET)),
    Fault(name="bucket-without-encryption", do=aws("s3", "delete_bucket_encryption", Bucket=BUCKET), whole=True),
    Fault(name="bucket-without-lifecycle", do=aws("s3", "delete_bucket_lifecycle", Bucket=BUCKET), whole=True),
    Fault(
        name="bucket-without-logging",
        do=aws("s3", "put_bucket_logging", Bucket=BUCKET, BucketLoggingStatus={}),
        whole=True,
    ),
    Fault(name="access-logs-public", do=aws("s3", "delete_public_access_block", Bucket=ACCESS_LOG_BUCKET), whole=True),
    Fault(name="rule-deleted", do=_rule_deleted),
    Fault(name="rule-without-target", do=_rule_silent),
    Fault(name="alarm-deleted", do=aws("cloudwatch", "delete_alarms", AlarmNames=["eonpro-denied-use"]), whole=True),
    Fault(
        name="alarm-silent", do=aws("cloudwatch", "disable_alarm_actions", AlarmNames=["eonpro-denied-use"]), whole=True
    ),
)
EVIDENCE = (
    Fault(name="rotation-off", do=aws("kms", "disable_key_rotation", KeyId="KEY")),
    Fault(
        name="rotation-of-seven-years",
        do=aws("kms", "enable_key_rotation", KeyId="KEY", RotationPeriodInDays=2560),
    ),
    Fault(name="rotation-unreadable", do=refused("AccessDeniedException", operation="GetKeyRotationStatus")),
    Fault(
        name="trail-without-the-events-of-kms",
        do=aws(
            "cloudtrail",
            "put_event_selectors",
            TrailName=TRAIL,
            EventSelectors=[
                {
                    "ReadWriteType": "All",
                    "IncludeManagementEvents": True,
                    "ExcludeManagementEventSources": ["kms.amazonaws.com"],
                }
            ],
        ),
    ),
    Fault(name="bucket-open-to-another-account", do=_bucket_open(BUCKET)),
    Fault(
        name="documents-public",
        do=documents(lambda s3, key: s3.delete_public_access_block(Bucket=DOCUMENTS)),
        stays=OF_DOCUMENTS,
    ),
    Fault(name="documents-open-to-another-account", do=documents(_documents_open), stays=OF_DOCUMENTS),
    Fault(name="documents-under-s3s-keys", do=documents(_documents_under_s3_s_keys), stays=OF_DOCUMENTS),
    Fault(name="access-logs-open-to-another-account", do=_bucket_open(ACCESS_LOG_BUCKET)),
    Fault(
        name="bucket-of-old-tls",
        do=bucket_policy(BUCKET, lambda found: [each for each in found if each["Sid"] != "DenyOldTls"]),
    ),
    Fault(name="lock-of-a-day", do=_lock_of_a_day),
    Fault(name="logs-key-rotation-off", do=aws("kms", "disable_key_rotation", KeyId="LOGS")),
    Fault(
        name="logs-key-of-another-account",
        do=key_policy(
            lambda found: [
                *found,
                {
                    "Sid": "More",
                    "Effect": "Allow",
                    "Principal": {"AWS": STRANGER},
                    "Action": "kms:Decrypt",
                    "Resource": "*",
                },
            ],
            logs=True,
        ),
    ),
    Fault(name="logs-key-grant-of-another-account", do=_logs_grant),
    Fault(name="key-policy-without-the-window", do=without(DENY_SHORT_WINDOW)),
    Fault(name="key-policy-without-the-guards", do=without(*DELETION_DENIALS)),
    Fault(name="key-policy-without-the-root", do=key_policy(lambda found: found[1:])),
    Fault(name="backup-deleted", do=both(WITH_BACKUP, shell("rm backup.json"))),
    Fault(name="backup-of-junk", do=both(WITH_BACKUP, shell("echo junk > backup.json"))),
    Fault(
        name="replica-of-somebody-else",
        # Nothing was delivered in that world yet.
        do=both(typed("push", "--redeploy", "--yes"), _replica_elsewhere),
        world="replica",
        stays=("key ", "alias ", "service "),
    ),
    Fault(
        name="role-that-a-service-assumes",
        do=_role("analyst", {"Service": "ec2.amazonaws.com"}),
        stays=("role analyst",),
    ),
    Fault(
        name="role-of-account-access",
        do=_role("visitor", {"Service": "account-access.amazonaws.com"}, "sts:AssumeRole", "sts:SetContext"),
        stays=("role visitor",),
    ),
    Fault(
        name="alerts-that-nobody-receives",
        do=both(typed("setup", *ANSWERS, "--alert-emails", "ops@example.com"), _no_subscriber),
        stays=("settings", "state"),
    ),
    Fault(
        name="fallback-alerts-that-nobody-receives",
        do=both(typed("setup", *ANSWERS, "--alert-emails", "ops@example.com"), _no_subscriber_of_the_fallback),
        stays=("settings", "state"),
    ),
    Fault(
        name="alerts-off",
        do=typed("setup", *ANSWERS, "--alerts", "no"),
        stays=("settings", "state", "rule", "topic", "alarm", "key "),
    ),
)
"""What an item of the evidence was done with, although it was not so."""

AT_THE_TARGET = (
    Fault(name="variables-deleted", do=NOT_DELIVERED),
    Fault(name="region-deleted", do=unset("AWS_REGION")),
    Fault(name="key-id-deleted", do=unset("AWS_KMS_KEY_ID")),
    Fault(name="region-empty", do=edited("AWS_REGION", value="")),
    Fault(name="key-id-empty", do=edited("AWS_KMS_KEY_ID", value="")),
    Fault(name="key-id-with-a-space", do=lambda night: edited("AWS_KMS_KEY_ID", value=f" {key(night)}")(night)),
    # Whoever keeps the uploads working sets them back; what is printed names each, and replaces no other.
    Fault(name="key-id-of-the-uploads", do=edited("AWS_KMS_KEY_ID", value="alias/uploads")),
    Fault(name="region-of-the-uploads", do=edited("AWS_REGION", value="us-east-2")),
    Fault(name="region-shared-with-preview", do=edited("AWS_REGION", target=["production", "preview"]), stays=PREVIEWS),
    Fault(
        name="data-key-shared-with-preview",
        do=edited("ENCRYPTED_PHI_KEY", target=["production", "preview"]),
        stays=PREVIEWS,
    ),
    Fault(name="comment-edited", do=edited("ENCRYPTED_PHI_KEY", comment="ask Ada")),
    Fault(name="another-data-key-of-our-key", do=_other_data_key),
    Fault(name="region-by-hand", do=variable("AWS_REGION", "eu-central-1")),
    Fault(
        name="key-id-for-all",
        do=lambda night: variable("AWS_KMS_KEY_ID", key(night), "production", "preview", "development")(night),
        stays=PREVIEWS,
    ),
    Fault(name="data-key-for-preview-alone", do=edited("ENCRYPTED_PHI_KEY", target=["preview"]), stays=PREVIEWS),
    Fault(name="data-key-cut-off", do=_cut_off),
    Fault(
        name="former-key-beside",
        do=variable("ENCRYPTION_KEY", "ab" * 32),
        typed="ab" * 32,
        stays=("vercel ENCRYPTION_KEY", *KEPT),
    ),
    Fault(name="no-tokens-for-deployments", do=_no_tokens),
    Fault(name="data-key-of-before-the-rotation", do=_of_before, world="promoted"),
    Fault(name="project-deleted", do=_no_project),
    Fault(name="vercel-dead", do=exported(VERCEL_API_URL=UNREACHABLE)),
    Fault(name="service-without-variables", do=_service_without, world="ecs"),
    Fault(name="execution-role-detached", do=_execution_role, world="ecs"),
    Fault(name="service-of-another-role", do=_other_role, world="ecs"),
    Fault(name="ecs-region-overwritten", do=written("/eonpro/production/AWS_REGION", "eu-central-1"), world="ecs"),
    Fault(name="ecs-stored-key-deleted", do=STORED_GONE, world="ecs"),
    Fault(name="ecs-parameters-deleted", do=deleted("*/AWS_REGION", "*/AWS_KMS_KEY_ID"), world="ecs"),
    Fault(name="access-key-deleted", do=_access_key("deleted"), world="user"),
    Fault(name="access-key-inactive", do=_access_key("inactive"), world="user"),
    Fault(name="access-key-not-on-vercel", do=unset("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), world="user"),
)
IN_THE_STORE = (
    Fault(name="all-parameters-deleted", do=deleted(everything=True), typed=IN_THE_APPLICATION),
    Fault(name="claim-deleted", do=deleted("*/claim"), whole=True),
    Fault(name="stored-key-overwritten", do=_stored_as(lambda night: "changeme")),
    Fault(name="stored-key-replaced-by-another-data-key", do=_stored_as(_another), stays=KEPT),
    Fault(name="stored-key-of-another-stack-with-its-tags", do=_stored_with_tags, stays=KEPT),
    Fault(name="stored-key-without-tags", do=_no_tags),
    Fault(name="version-of-before-the-rotation-deleted", do=_first_version_gone, world="promoted"),
    Fault(name="versions-deleted", do=deleted("*/data-keys/*")),
    Fault(name="versions-overwritten", do=written("/eonpro/production/data-keys/*", "changeme")),
    Fault(
        name="stored-key-and-versions-deleted",
        do=deleted("*/ENCRYPTED_PHI_KEY", "*/data-keys/*"),
        typed=IN_THE_APPLICATION,
    ),
)
HERE = (
    Fault(name="settings-deleted", do=NO_SETTINGS, whole=True),
    Fault(name="settings-empty", do=settings(lambda text: ""), whole=True),
    Fault(name="settings-wrong-type", do=setting("eonpro-kms:rotationPeriodDays", "often"), whole=True),
    Fault(name="settings-not-yaml", do=settings(lambda text: text.replace("config:", "config:\n\t- x: [")), whole=True),
    Fault(
        name="settings-without-region",
        do=settings(lambda text: text.replace("  aws:region: us-east-1\n", "")),
        whole=True,
    ),
    Fault(name="state-empty", do=state(lambda text: ""), whole=True),
    Fault(
        name="state-without-the-key",
        do=resources(lambda found: [e for e in found if not e["urn"].endswith("Key::phi-key")]),
        whole=True,
    ),
    Fault(
        # As a plug-in that is killed while AWS carries out CreateAlias leaves it.
        name="state-without-the-alias",
        do=resources(lambda found: [e for e in found if not e["urn"].endswith("Alias::phi-key")]),
        whole=True,
    ),
    Fault(
        # As a copy from before the first creation, which was put back.
        name="state-of-the-first-minute",
        do=resources(lambda found: [e for e in found if not e["type"].startswith("aws:")]),
        whole=True,
    ),
    Fault(
        name="state-without-the-role",
        do=resources(
            lambda found: [
                e
                for e in found
                if "app-principal" not in e["urn"] and "app-principal" not in str(e.get("dependencies"))
            ]
        ),
        whole=True,
    ),  # fmt: skip
    Fault(
        name="profile-unknown", do=exported(AWS_PROFILE="clinic", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    ),
    Fault(name="profile-misspelt", do=_misspelt),
    Fault(name="credentials-none", do=exported(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)),
    Fault(name="credentials-half", do=exported(AWS_SECRET_ACCESS_KEY=None)),
    Fault(name="proxy-dead", do=exported(AWS_ENDPOINT_URL=None, **DEAD_PROXY)),
    Fault(name="vercel-token-none", do=exported(VERCEL_TOKEN=None)),
    Fault(name="vercel-token-refused", do=exported(VERCEL_TOKEN="not-a-token")),
    Fault(name="vercel-token-with-a-quote", do=exported(VERCEL_TOKEN="“token”")),
)
TYPED = (
    Fault(name="review-unconfirmed", do=NOTHING, begin=("review", "--sign", "Ada Example")),
    Fault(name="review-of-a-foreign-grant", do=_grant, begin=("review",)),
    Fault(name="promote-unknown", do=NOTHING, begin=("rotate", "--promote", "sha256:0123456789abcdef")),
    Fault(name="restore-unknown", do=NOTHING, begin=("restore", "--version", "sha256:0123456789abcdef")),
    Fault(name="restore-nothing-named", do=NOTHING, begin=("restore",)),
    Fault(
        name="destroy-unconfirmed",
        do=NOTHING,
        begin=("destroy",),
        stays=(
            "role",
            "policy",
            "trail",
            "rule",
            "topic",
            "alarm",
            "state",
            "provider",
            "key",
            "alias",
            "bucket",
            "service",
        ),
    ),
    Fault(name="stack-misspelt", do=NOTHING, begin=("status", "--stack", "prodution")),
    Fault(
        name="backup-without-lock",
        do=shell("aws s3 mb s3://no-lock"),
        begin=("backup", "--to", "s3://no-lock/backup.json"),
        stays=("bucket",),
    ),
    Fault(name="access-key-of-oidc", do=NOTHING, begin=("access-key", "rotate")),
    Fault(name="push-without-project", do=_no_project, begin=("push", "--no-redeploy"), stays=("vercel",)),
    Fault(name="verify-disabled", do=DISABLED, begin=("verify",)),
    Fault(name="verify-beside-a-grant", do=granted("ReEncryptFrom"), begin=("verify",)),
    Fault(name="verify-beside-another-account", do=stranger({"AWS": STRANGER}), begin=("verify",)),
    Fault(name="push-stored-key-edited", do=_stored_as(lambda night: "changeme"), begin=("push", "--no-redeploy")),
    Fault(name="setup-next-steps", do=NOTHING, begin=("setup", *ANSWERS)),
    Fault(name="setup-without-answers", do=NOTHING, begin=("setup",), world="empty"),
    Fault(name="report-in-a-dead-region", do=exported(AWS_ENDPOINT_URL=UNREACHABLE), begin=("report",)),
)


def pair(*faults: Fault, **more: Any) -> Fault:
    """Two faults at once."""
    return Fault(
        name="+".join(each.name for each in faults),
        do=both(*(each.do for each in faults)),
        whole=any(each.whole for each in faults),
        stays=tuple(place for each in faults for place in each.stays),
        pair=True,
        **more,
    )


SEEDED = (
    Fault(name="key-disabled", do=DISABLED),
    Fault(name="policy-detached", do=DETACHED),
    Fault(name="denied", do=DENIES),
    Fault(name="trail-stopped", do=STOPPED),
    Fault(name="topic-deleted", do=NO_TOPIC),
    Fault(name="alias-moved", do=_alias_moved, stays=("key ",)),
    Fault(name="role-deleted", do=_role_gone),
    Fault(name="policy-deleted", do=both(DETACHED, _policy_gone)),
    Fault(name="update-interrupted", do=_pending, whole=True),
    Fault(
        name="imported-role-deleted",
        do=both(
            lambda night: night.state.unlink(),
            typed("setup", "--adopt", "--repair", "all", "--yes"),
            _role_gone,
        ),
    ),
)
"""Some of tests/day_two, whose pairs are new."""
SINGLE = {
    fault.name: fault
    for fault in (
        *NAMED, *IN_THE_ACCOUNT, *EVIDENCE, *AT_THE_TARGET, *IN_THE_STORE, *HERE, *SEEDED,
    )
}  # fmt: skip
PAIRS = tuple(
    pair(*(SINGLE[name] for name in names.split("+")))
    for names in (
        "key-disabled+value-edited-under-its-comment",
        "policy-detached+denied",
        "state-truncated+key-disabled",
        "lock-of-another-machine+update-interrupted",
        "stored-key-deleted+variables-deleted",
        "trail-stopped+bucket-without-policy",
        "project-deleted+stored-key-deleted",
        "settings-deleted+stored-key-deleted",
        "settings-deleted+state-truncated",
        "claim-deleted+state-deleted",
        "topic-deleted+rule-deleted",
        "backend-wrong+key-disabled",
        "alias-moved+key-disabled",
        "role-deleted+variables-deleted",
        "grant-of-a-stranger+key-policy-of-the-default",
        # A deployment that is stale hid what was compared only if nothing else was wrong.
        "region-deleted+bucket-open-to-another-account",
    )
)
GROUPS = {
    title: {fault.name for fault in faults}
    for title, faults in {
        "tried in a real terminal": NAMED,
        "in the account": (*IN_THE_ACCOUNT, *EVIDENCE, *IN_THE_STORE, *SEEDED),
        "at the target": AT_THE_TARGET,
        "settings, state, this terminal": HERE,
        "errors and next steps of other commands": TYPED,
        "two faults at once": PAIRS,
    }.items()
}
FAULTS = (*SINGLE.values(), *TYPED, *PAIRS)
