"""Harmful changes of the program, each as text that somebody writes into `__main__.py`, and the rules that refuse it.

Touches nothing. `test_harms` runs all of them on a planned stack, and tests/onboarding/test_guardrails.py many by the
real engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "__main__.py"

PRELUDE = '''
import json as _json

import pulumi
import pulumi_aws as aws
from pulumi import CustomResource, ResourceOptions

FOREIGN = "arn:aws:iam::999999999999:root"
IAM = f"arn:aws:iam::{pulumi.Config('eonpro-kms').require('accountId')}"
ACCOUNT = IAM[13:25]
APP_ROLE = "eonpro-app-role"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
_CHANGES = {}
_PATCHED = []


def doc(*statements):
    return _json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


def edit(change):
    """A change of a policy document, made on the parsed document."""

    def apply(document):
        if isinstance(document, pulumi.Output):
            return document.apply(apply)
        parsed = _json.loads(document)
        change(parsed)
        return _json.dumps(parsed)

    return apply


def also(**statement):
    """One more statement that allows."""
    return edit(lambda parsed: parsed["Statement"].append({"Effect": "Allow", **statement}))


def no_denials(parsed):
    parsed["Statement"] = [each for each in parsed["Statement"] if each["Effect"] == "Allow"]


def change(type_, name, options=None, **values):
    """Other inputs or options of one of the program's resources."""
    _CHANGES[type_, name] = (values, options or {})


def patch(owner, name, value):
    """Another function in one of the program's modules."""
    _PATCHED.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def outside(type_, name, **inputs):
    """A resource of another package, whose SDK need not be installed."""
    CustomResource(type_, name, inputs)


def _transform(args):
    found = _CHANGES.get((args.type_.rpartition(":")[2], args.name))
    if found is None:
        return None
    for name, value in found[0].items():
        args.props[name] = value(args.props.get(name)) if callable(value) else value
    for name, value in found[1].items():
        setattr(args.opts, name, value)
    return pulumi.ResourceTransformationResult(args.props, args.opts)


pulumi.runtime.register_stack_transformation(_transform)
'''


@dataclass(frozen=True, kw_only=True)
class Harm:
    """One harmful change: what is written before the program, and after it."""

    name: str
    before: str = ""
    after: str = ""
    rule: str = "listed-resources"
    """The rule that refuses it."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the stack that it is made to."""
    by_engine: bool = True
    """Whether the real engine is asked too: not where it would need a stack that was made otherwise."""

    @property
    def is_known_later(self) -> bool:
        """Whether the value contains the key's ARN, which a first preview does not know."""
        texts = [f'"alerts-{kind}", event_pattern' for kind in ("key-changes", "denied-use", "fallback")]
        is_named = any(text in self.before for text in (*texts, "bucket_key_enabled"))
        return is_named or ('change("Policy", "app-access"' in self.before and "policy=" in self.before)

    def program(self) -> str:
        """The changed program."""
        docstring, end, rest = PROGRAM.read_text("utf-8").partition('\n"""\n')
        return f"{docstring}{end}{PRELUDE}\n{self.before}\n{rest}\n{self.after}\n"


def with_account(value: Any, account: str) -> Any:
    """A setting of a harm with the account's id."""
    if isinstance(value, list):
        return [with_account(each, account) for each in value]
    return value.replace("{account}", account) if isinstance(value, str) else value


ACCESS, PRESENT, TRAIL = "listed-access", "required-resources", "trail-complete"


def _key(change: str, name: str = "phi-key", rule: str = ACCESS) -> dict[str, Any]:
    return {"before": f'change("Key", "{name}", {change})', "rule": rule}


def _policy(name: str, statement: str, type_: str = "Key", resource: str = "phi-key") -> Harm:
    prop = "assume_role_policy" if type_ == "Role" else "policy"
    return Harm(name=name, before=f'change("{type_}", "{resource}", {prop}=also({statement}))', rule=ACCESS)


def _more(name: str, after: str, **more: Any) -> Harm:
    return Harm(name=name, after=after, **more)


FOREIGN_USE = 'Principal={"AWS": FOREIGN}, Action="kms:Decrypt", Resource="*"'
RENAMED = """
_made = pulumi.ComponentResource.__init__
def _renamed(self, t, name, *a, **k):
    _made(self, "acme:kms:Wrapper" if t == "eonpro:kms:PhiKey" else t, name, *a, **k)
patch(pulumi.ComponentResource, "__init__", _renamed)
"""
USER = {"vercelAccess": "user"}

LISTED: tuple[Harm, ...] = (
    # The key.
    _policy("a foreign account decrypts, by the key policy", FOREIGN_USE),
    Harm(
        name="the same with ignoreChanges of the policy",
        before=f'change("Key", "phi-key", {{"ignore_changes": ["policy"]}}, policy=also({FOREIGN_USE}))',
        rule=ACCESS,
    ),
    Harm(
        name="the same, with the component's type renamed",
        before=RENAMED + f'change("Key", "phi-key", policy=also({FOREIGN_USE}))',
        rule=ACCESS,
    ),
    Harm(
        name="all but one principal, by NotPrincipal",
        before=(
            'change("Key", "phi-key", policy=also(NotPrincipal={"AWS": FOREIGN}, Action="kms:Decrypt", Resource="*"))'
        ),
        rule="no-wildcard-principal",
    ),
    Harm(
        name="everybody, with a condition that is always true",
        before=(
            'change("Key", "phi-key", policy=also(Principal={"AWS": "*"}, Action="kms:Decrypt", Resource="*", '
            'Condition={"StringLike": {"aws:PrincipalArn": "*"}}))'
        ),
        rule="no-wildcard-principal",
    ),
    _policy(
        "a foreign root with a condition StringLike *",
        FOREIGN_USE + ', Condition={"StringLike": {"aws:PrincipalArn": "*"}}',
    ),
    # The application.
    _policy(
        "a foreign account becomes the application",
        'Principal={"AWS": FOREIGN}, Action="sts:AssumeRole"',
        "Role",
        "app-principal",
    ),
    Harm(
        name="the same with ignoreChanges of the trust",
        before=(
            'change("Role", "app-principal", {"ignore_changes": ["assumeRolePolicy"]}, '
            'assume_role_policy=also(Principal={"AWS": FOREIGN}, Action="sts:AssumeRole"))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the same, with the role moved out of its component",
        before=(
            'change("Role", "app-principal", {"parent": None}, '
            'assume_role_policy=also(Principal={"AWS": FOREIGN}, Action="sts:AssumeRole"))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="kms:* for the application, with ignoreChanges",
        before=(
            'change("Policy", "app-access", {"ignore_changes": ["policy"]}, policy=also(Action="kms:*", Resource="*"))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the application's policy on another key of the account",
        before=(
            'change("Policy", "app-access", {}, policy=lambda _: _later["logs"].apply('
            'lambda arn: doc({"Action": ["kms:Decrypt"], "Resource": arn})))\n'
            "_later = {}\n"
            "import components.trail as _audit\n"
            "_early = _audit.AuditTrail("
            "'audit-trail', __import__('components.configuration', fromlist=['x']).read_settings())\n"
            "_later['logs'] = _early.key_arn\n"
            "patch(_audit, 'AuditTrail', lambda *a: _early)\n"
        ),
        rule=PRESENT,
    ),
    _more(
        "a group's policy with kms:Decrypt on *",
        'aws.iam.GroupPolicy("more", group="staff", policy=doc({"Action": "kms:Decrypt", "Resource": "*"}))',
    ),
    _more(
        "AdministratorAccess attached to a group",
        'aws.iam.GroupPolicyAttachment("more", group="staff", policy_arn=ADMIN)',
    ),
    _more(
        "AdministratorAccess attached to another role",
        'aws.iam.RolePolicyAttachment("more", role="builder", policy_arn=ADMIN)',
    ),
    _more(
        "the same by an exclusive attachment",
        'aws.iam.RolePolicyAttachmentsExclusive("more", role_name="builder", policy_arns=[ADMIN])',
    ),
    _more(
        "another role with AdministratorAccess",
        'aws.iam.Role("more", name="builder", managed_policy_arns=[ADMIN], assume_role_policy=doc('
        '{"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}))',
    ),
    *(
        _more(
            f"another role's inline policy with {action}", f'aws.iam.RolePolicy("more", role="builder", policy={text})'
        )
        for action, text in (
            ("kms:PutKeyPolicy", 'doc({"Action": "kms:PutKeyPolicy", "Resource": "*"})'),
            ("kms:Re* and kms:Generate*", 'doc({"Action": ["kms:Re*", "kms:Generate*"], "Resource": "*"})'),
            (
                "iam:UpdateAssumeRolePolicy on the application's role",
                'doc({"Action": "iam:UpdateAssumeRolePolicy", "Resource": f"{IAM}:role/{APP_ROLE}"})',
            ),
            ("iam:*", 'doc({"Action": "iam:*", "Resource": "*"})'),
            ("everything but one resource", 'doc({"Action": "*", "NotResource": "arn:aws:s3:::x"})'),
        )
    ),
    _more("an access key of the application's user", 'aws.iam.AccessKey("more", user="eonpro-app-user")', config=USER),
    _more("a login of the application's user", 'aws.iam.UserLoginProfile("more", user="eonpro-app-user")', config=USER),
    _more(
        "another user's inline policy with kms:Decrypt",
        'aws.iam.UserPolicy("more", user="somebody", policy=doc({"Action": "kms:Decrypt", "Resource": "*"}))',
    ),
    _more(
        "the inline policies of the application's role, exclusively",
        'aws.iam.RolePoliciesExclusive("more", role_name=APP_ROLE, policy_names=["theirs"])',
    ),
    _more(
        "a permission set of Identity Center with kms:*",
        'aws.ssoadmin.PermissionSetInlinePolicy("more", instance_arn="arn:aws:sso:::instance/ssoins-1", '
        'permission_set_arn="arn:aws:sso:::permissionSet/ssoins-1/ps-1", '
        'inline_policy=doc({"Action": "kms:*", "Resource": "*"}))',
    ),
    _more(
        "a grant to a foreign account",
        'aws.kms.Grant("more", key_id=key.key_id, grantee_principal=FOREIGN, operations=["Decrypt"])',
    ),
    _more(
        "a grant to the application with a foreign retiring principal",
        'aws.kms.Grant("more", key_id=key.key_id, grantee_principal=f"{IAM}:role/{APP_ROLE}", '
        'operations=["Decrypt"], retiring_principal=FOREIGN)',
    ),
    # Other providers.
    _more("a key policy by aws-native", 'outside("aws-native:kms:Key", "more", keyPolicy="{}")'),
    _more("a role's policy by aws-native", 'outside("aws-native:iam:RolePolicy", "more", policyName="x")'),
    _more(
        "a CloudFormation stack",
        'aws.cloudformation.Stack("more", name="more", template_body="{}", capabilities=["CAPABILITY_IAM"])',
    ),
    _more("a command on this machine", 'outside("command:local:Command", "more", create="aws kms …")'),
    _more("a dynamic provider", 'outside("pulumi-python:dynamic:Resource", "more", __provider="…")'),
    _more(
        "a function of Lambda with the application's role",
        'aws.lambda_.Function("more", name="more", role=f"{IAM}:role/{APP_ROLE}", runtime="python3.12", '
        'handler="x.y", s3_bucket="theirs", s3_key="code.zip")',
    ),
    _more(
        "a task definition of another image with the application's role",
        'aws.ecs.TaskDefinition("more", family="more", task_role_arn=f"{IAM}:role/{APP_ROLE}", '
        'container_definitions=_json.dumps([{"name": "x", "image": "theirs"}]))',
    ),
    Harm(
        name="the alias of the key on another key",
        before='change("Alias", "phi-key", target_key_id="11111111-2222-3333-4444-555555555555")',
        rule=PRESENT,
    ),
    # The trail.
    _more(
        "a second trail, without the events of KMS",
        'aws.cloudtrail.Trail("more", name="more", s3_bucket_name="theirs", event_selectors=[{'
        '"exclude_management_event_sources": ["kms.amazonaws.com"]}])',
    ),
    Harm(
        name="the trail records data events alone",
        before=(
            'change("Trail", "audit-trail", advanced_event_selectors=[{"field_selectors": ['
            '{"field": "eventCategory", "equals": ["Data"]}]}])'
        ),
        rule=TRAIL,
    ),
    Harm(
        name="the trail leaves out KMS, with ignoreChanges",
        before=(
            'change("Trail", "audit-trail", {"ignore_changes": ["eventSelectors"]}, event_selectors=['
            '{"exclude_management_event_sources": ["kms.amazonaws.com"]}])'
        ),
        rule=TRAIL,
    ),
    Harm(
        name="the trail is off, with ignoreChanges",
        before='change("Trail", "audit-trail", {"ignore_changes": ["enableLogging"]}, enable_logging=False)',
        rule=TRAIL,
    ),
    Harm(
        name="the trail writes to a foreign bucket",
        before='change("Trail", "audit-trail", s3_bucket_name="theirs")',
        rule=TRAIL,
    ),
    Harm(
        name="the trail's logs under a foreign key",
        before='change("Trail", "audit-trail", kms_key_id="arn:aws:kms:us-east-1:999999999999:key/'
        '11111111-2222-3333-4444-555555555555")',
        rule=PRESENT,
    ),
    Harm(
        name="the trail with another prefix",
        before='change("Trail", "audit-trail", s3_key_prefix="elsewhere")',
        rule=TRAIL,
    ),
    *(
        Harm(name=name, before=f'change("BucketLifecycleConfiguration", "audit-trail", rules=[{rule}])', rule=refused)
        for name, rule, refused in (
            (
                "records expire after 30 days",
                '{"id": "x", "status": "Enabled", "expiration": {"days": 30}}',
                "trail-retention",
            ),
            (
                "old versions go after a day, but the newest",
                '{"id": "x", "status": "Enabled", "noncurrent_version_expiration": '
                '{"noncurrent_days": 1, "newer_noncurrent_versions": 1}}',
                "trail-retention",
            ),
            (
                "records move to DEEP_ARCHIVE at once",
                '{"id": "x", "status": "Enabled", "transitions": [{"days": 0, "storage_class": "DEEP_ARCHIVE"}]}',
                "trail-retention",
            ),
        )
    ),
    Harm(
        name="the bucket for everybody",
        before='change("BucketPolicy", "audit-trail", policy=also(Principal="*", Action="s3:GetObject", Resource="*"))',
        rule="no-wildcard-principal",
    ),
    _policy(
        "the bucket for a foreign account",
        'Principal={"AWS": FOREIGN}, Action="s3:*", Resource="*"',
        "BucketPolicy",
        "audit-trail",
    ),
    Harm(
        name="the bucket for everybody, with a condition that is always true",
        before=(
            'change("BucketPolicy", "audit-trail", policy=also(Principal={"AWS": "*"}, Action="s3:GetObject", '
            'Resource="*", Condition={"Bool": {"aws:SecureTransport": "true"}}))'
        ),
        rule="no-wildcard-principal",
    ),
    _more(
        "the records copied to a foreign bucket",
        'aws.s3.BucketReplicationConfig("more", bucket=trail.bucket_name, role=f"{IAM}:role/copy", rules=['
        '{"status": "Enabled", "destination": {"bucket": "arn:aws:s3:::theirs"}}])',
    ),
    Harm(
        name="the Object Lock taken out of the program",
        before=(
            "import components.buckets as _buckets\n"
            "patch(_buckets.TrailBuckets, '_lock', lambda self, bucket, after: bucket)"
        ),
        rule=PRESENT,
    ),
    _policy("a foreign account decrypts the logs", FOREIGN_USE, "Key", "audit-trail-key"),
    Harm(name="the logs' key without its denials", **_key("policy=edit(no_denials)", "audit-trail-key")),
    _policy(
        "a foreign account owns the topic",
        'Principal={"AWS": FOREIGN}, Action="sns:*", Resource="*"',
        "TopicPolicy",
        "alerts",
    ),
    Harm(
        name="all rules of the alerts taken out",
        before="import components.alerts as _alerts\npatch(_alerts, 'alert_rules_of', lambda settings: ())",
        rule=PRESENT,
    ),
    Harm(
        name="a rule of the alerts is disabled",
        before='change("EventRule", "alerts-key-changes", state="DISABLED")',
    ),
    Harm(
        name="a rule of the alerts matches less",
        before=(
            'change("EventRule", "alerts-access-changes", event_pattern=edit('
            'lambda parsed: parsed["detail"]["$or"].pop(0)))'
        ),
    ),
    _more(
        "somebody else gets the alerts",
        'aws.sns.TopicSubscription("more", topic=alerts.topic_arn, protocol="email", endpoint="x@theirs.example")',
    ),
    # The key's properties.
    Harm(name="the key is deleted after 7 days", **_key("deletion_window_in_days=7", rule="phi-key-deletion-window")),
    Harm(name="the key is disabled", **_key("is_enabled=False", rule="phi-key-enabled")),
    Harm(
        name="no rotation, with ignoreChanges",
        before='change("Key", "phi-key", {"ignore_changes": ["enableKeyRotation"]}, enable_key_rotation=False)',
        rule="phi-key-rotation",
    ),
    Harm(
        name="the key without its protection",
        before='change("Key", "phi-key", {"protect": False})',
        rule="resource-protection",
    ),
    _more(
        "an explicit provider that is another account's role",
        '_theirs = aws.Provider("theirs", region="us-east-1", assume_roles=[{"role_arn": '
        '"arn:aws:iam::999999999999:role/x"}])\n'
        'aws.kms.Alias("more", name="alias/more", target_key_id=key.key_id, opts=ResourceOptions(provider=_theirs))',
    ),
    # The stored data key.
    _more(
        "the stored data key is overwritten",
        'aws.ssm.Parameter("more", name="/eonpro/production/ENCRYPTED_PHI_KEY", type="String", value="x", '
        "overwrite=True)",
    ),
    _more(
        "the stored data key by its ARN",
        'aws.ssm.Parameter("more", name=f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/'
        'ENCRYPTED_PHI_KEY", type="String", value="x", overwrite=True)',
    ),
    _more(
        "a secret with the stored data key's prefix",
        'aws.secretsmanager.Secret("more", name_prefix="/eonpro/production/ENC")',
    ),
    _more(
        "a rotation of the stored data key by a function",
        'aws.secretsmanager.SecretRotation("more", secret_id="/eonpro/production/ENCRYPTED_PHI_KEY", '
        'rotation_lambda_arn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:x", '
        'rotation_rules={"automatically_after_days": 1})',
    ),
    _more(
        "a foreign account reads the stored data key",
        'aws.secretsmanager.SecretPolicy("more", secret_arn="/eonpro/production/ENCRYPTED_PHI_KEY", policy=doc('
        '{"Principal": {"AWS": FOREIGN}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}))',
    ),
    Harm(
        name="the provider of Vercel's tokens at another issuer",
        before=(
            'change("OpenIdConnectProvider", "app-principal-vercel", url="https://theirs.example", '
            'thumbprint_lists=["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"])'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the permissions boundary taken away",
        before='change("Role", "app-principal", permissions_boundary=None)',
        rule=ACCESS,
        config={"permissionsBoundaryArn": "arn:aws:iam::{account}:policy/Boundary"},
    ),
    _more("an external key without a policy", 'aws.kms.ExternalKey("more", description="theirs")'),
    *(
        _more(
            f"a replica of the key outside its component, {how} a policy",
            f'aws.kms.ReplicaKey("more", primary_key_arn=key.key_arn, region="eu-west-1"{policy})',
            config={"multiRegion": True},
        )
        for how, policy in (
            ("with", ', policy=doc({"Principal": {"AWS": FOREIGN}, "Action": "kms:*", "Resource": "*"})'),
            ("without", ""),
        )
    ),
)
"""The 72 changes that were tried against the rules that compared with the program's own functions: 49 passed."""

OWN: tuple[Harm, ...] = (
    # The key's policy, in other words.
    _policy("Decrypt in other letters", 'Principal={"AWS": FOREIGN}, Action="KMS:dEcRyPt", Resource="*"'),
    _policy(
        "a foreign account by its bare id", 'Principal={"AWS": "999999999999"}, Action="kms:DescribeKey", Resource="*"'
    ),
    _policy(
        "a canonical user",
        'Principal={"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}, '
        'Action="kms:Decrypt", Resource="*"',
    ),
    _policy(
        "an administrator with IfExists",
        'Principal={"AWS": f"{IAM}:role/admin"}, Action="kms:CreateGrant", Resource="*", '
        'Condition={"StringEqualsIfExists": {"aws:PrincipalTag/x": "y"}}',
    ),
    _policy(
        "the application with a grant",
        'Principal={"AWS": f"{IAM}:role/{APP_ROLE}"}, Action="kms:CreateGrant", Resource="*"',
    ),
    _policy(
        "an administrator with all actions but one",
        'Principal={"AWS": f"{IAM}:role/admin"}, NotAction="kms:ScheduleKeyDeletion", Resource="*"',
    ),
    Harm(
        name="the application's statement with a second principal",
        **_key("policy=edit(lambda p: p['Statement'][-1]['Principal'].update(AWS=[f'{IAM}:role/x']))"),
    ),
    Harm(
        name="deletion denied to all but somebody else",
        **_key(
            "policy=edit(lambda p: [each.update(Condition={'ArnNotLike': {'aws:PrincipalArn': f'{IAM}:role/z*'}}) "
            "for each in p['Statement'] if each['Effect'] == 'Deny'])"
        ),
    ),
    Harm(
        name="deletion denied in one organization alone",
        **_key(
            "policy=edit(lambda p: [each.update(Condition={'StringEquals': {'aws:PrincipalOrgID': 'o-1'}}) "
            "for each in p['Statement'] if each['Effect'] == 'Deny'])"
        ),
    ),
    Harm(
        name="deletion denied to this account alone",
        **_key(
            "policy=edit(lambda p: [each.update(Principal={'AWS': f'{IAM}:root'}) "
            "for each in p['Statement'] if each['Effect'] == 'Deny'])"
        ),
    ),
    Harm(
        name="a policy that two parsers read differently",
        **_key('policy=lambda _: \'{"Statement": [], "Statement": []}\''),
    ),
    Harm(name="the key with KMS's default policy", **_key("policy=None")),
    Harm(name="the key in a store of somebody else", **_key('custom_key_store_id="cks-1"', rule="listed-resources")),
    Harm(
        name="the key for signatures",
        **_key('key_usage="SIGN_VERIFY", customer_master_key_spec="RSA_2048"', rule="listed-resources"),
    ),
    Harm(name="the key in another Region", **_key('region="eu-west-1"', rule="listed-resources")),
    Harm(name="the key without its tags", **_key('tags={"Application": "Other"}', rule="listed-resources")),
    Harm(
        name="the logs' key in the place of the PHI key, by an alias of its URN",
        before=(
            'change("Key", "audit-trail-key", {"aliases": [pulumi.Alias(name="phi-key", '
            'parent="urn:pulumi:production::eonpro-kms::eonpro:kms:PhiKey::phi-key")]})'
        ),
        # The engine uses an alias, and sends it, where there is nothing under the resource's own URN.
        by_engine=False,
    ),
    Harm(
        name="the lockout check bypassed",
        **_key("bypass_policy_lockout_safety_check=True", rule="phi-key-policy-lockout-check"),
    ),
    _more("a second key of the stack", 'aws.kms.Key("more", opts=ResourceOptions(protect=True))'),
    _more(
        "a policy of its own for the key",
        'aws.kms.KeyPolicy("more", key_id=key.key_id, policy=doc('
        '{"Principal": {"AWS": FOREIGN}, "Action": "kms:*", "Resource": "*"}))',
    ),
    # The application.
    _policy(
        "tokens of every project of the team",
        'Principal={"Federated": f"{IAM}:oidc-provider/oidc.vercel.com/acme"}, Action="sts:AssumeRoleWithWebIdentity", '
        'Condition={"StringLike": {"oidc.vercel.com/acme:sub": "owner:acme:project:*:environment:production"}, '
        '"StringEquals": {"oidc.vercel.com/acme:aud": "https://vercel.com/acme"}}',
        "Role",
        "app-principal",
    ),
    _policy(
        "tokens of the previews",
        'Principal={"Federated": f"{IAM}:oidc-provider/oidc.vercel.com/acme"}, Action="sts:AssumeRoleWithWebIdentity", '
        'Condition={"StringEquals": {"oidc.vercel.com/acme:sub": "owner:acme:project:portal:environment:preview", '
        '"oidc.vercel.com/acme:aud": "https://vercel.com/acme"}}',
        "Role",
        "app-principal",
    ),
    Harm(
        name="tokens of no certain subject",
        before=(
            'change("Role", "app-principal", assume_role_policy=edit('
            'lambda p: p["Statement"][0]["Condition"]["StringEquals"].popitem()))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the application signs in for twelve hours",
        before='change("Role", "app-principal", max_session_duration=43200)',
        rule=ACCESS,
    ),
    Harm(
        name="an inline policy within the application's role",
        before=(
            'change("Role", "app-principal", inline_policies=[{"name": "x", "policy": doc('
            '{"Action": "kms:*", "Resource": "*"})}])'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the application's policy on every key",
        before=(
            'change("Policy", "app-access", policy=lambda _: doc({"Action": ["kms:Decrypt"], '
            '"Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"}))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="the application's policy with all actions but one",
        before=(
            'change("Policy", "app-access", policy=lambda _: doc({"NotAction": "kms:PutKeyPolicy", "Resource": "*"}))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="another policy attached in the place of the application's",
        before='change("RolePolicyAttachment", "app-access", policy_arn=ADMIN)',
        rule=ACCESS,
    ),
    Harm(
        name="the application's policy attached to another role",
        before='change("RolePolicyAttachment", "app-access", role="builder")',
        rule=ACCESS,
    ),
    _more(
        "the application's user in a group", 'aws.iam.UserGroupMembership("more", user="eonpro-app-user", groups=["x"])'
    ),
    # The trail and the alerts.
    Harm(
        name="the trail of one Region",
        before='change("Trail", "audit-trail", is_multi_region_trail=False)',
        rule=TRAIL,
    ),
    Harm(
        name="the audit trail taken out of the program",
        before="import components.trail as _audit\npatch(_audit.AuditTrail, '_trail', lambda s, n, se, b, g: b)\n"
        "import components.buckets as _b\n_b.aws.s3.Bucket.name = None; _b.aws.s3.Bucket.trail_arn = None",
        rule=PRESENT,
    ),
    Harm(
        name="the bucket's access logs to a foreign bucket",
        before='change("BucketLogging", "audit-trail-access", target_bucket="theirs")',
    ),
    Harm(
        name="the bucket deleted with its records",
        before='change("Bucket", "audit-trail", force_destroy=True)',
        rule="resource-protection",
    ),
    Harm(
        name="plain HTTP to the bucket",
        before='change("BucketPolicy", "audit-trail", policy=edit(no_denials))',
        rule="trail-bucket-tls",
    ),
    Harm(
        name="the Object Lock for a day",
        before=(
            'change("BucketObjectLockConfiguration", "audit-trail", '
            'rule={"default_retention": {"mode": "GOVERNANCE", "days": 1}})'
        ),
        rule="trail-object-lock",
    ),
    Harm(
        name="an alert's target is another topic",
        before='change("EventTarget", "alerts-key-changes", arn=f"arn:aws:sns:us-east-1:999999999999:x")',
    ),
    Harm(
        name="an alert of no content",
        before='change("EventTarget", "alerts-key-changes", input_transformer={"input_template": "\\"all is well\\""})',
    ),
    Harm(
        name="an alert that names another as the one who did it",
        before=(
            'change("EventTarget", "alerts-key-changes", input_transformer=lambda given: {**given, '
            '"input_paths": {**given["input_paths"], "who": "$.detail.eventID"}})'
        ),
    ),
    Harm(
        name="a rule of the alerts in another Region",
        before='change("EventRule", "alerts-key-changes", region="eu-west-1")',
    ),
    Harm(
        name="the alarm with no action",
        before='change("MetricAlarm", "alerts-denied-use", actions_enabled=False)',
    ),
    Harm(
        name="the alarm after a million denials",
        before='change("MetricAlarm", "alerts-denied-use", threshold=1000000)',
    ),
    Harm(
        name="a subscription that filters every alert",
        before=('change("TopicSubscription", "alerts-ops@clinic.example", filter_policy=\'{"x": ["y"]}\')'),
        config={"alertEmails": ["ops@clinic.example"]},
    ),
    Harm(
        name="the second way of the alerts through the topic of the first",
        before='change("EventTarget", "alerts-fallback", arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts")',
    ),
    Harm(
        name="the second way without the key of the first",
        before=(
            'change("EventRule", "alerts-fallback", event_pattern=edit(lambda parsed: parsed["detail"].update({"$or": '
            '[each for each in parsed["detail"]["$or"] if "eventSource" in each]})))'
        ),
    ),
    Harm(
        name="a key for the topic of the second way",
        before='change("Topic", "fallback-alerts", kms_master_key_id="alias/aws/sns")',
    ),
    Harm(
        name="the topic under a foreign key",
        before='change("Topic", "alerts", kms_master_key_id="arn:aws:kms:us-east-1:999999999999:key/'
        '11111111-2222-3333-4444-555555555555")',
        rule=PRESENT,
    ),
)
"""Further changes of our own."""

HARMS = (*LISTED, *OWN)
