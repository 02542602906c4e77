"""Harmful changes of what a policy, a pattern or a setting says, and harmless ones that look alike.

Touches nothing. WALKED passed the pack that tried requests and events and shared code with the program; FURTHER were
thought of after the pack compared what is said; HARMLESS pass.
"""

from __future__ import annotations

from typing import Any

from tests.guardrails.harms import ACCESS, FOREIGN_USE, HARMS, PRESENT, TRAIL, USER, Harm


def _policy(
    name: str, edit: str, resource: str = "phi-key", type_: str = "Key", rule: str = ACCESS, **more: Any
) -> Harm:
    """A document with another content: `edit` is applied to the parsed one, `p`."""
    prop = "assume_role_policy" if type_ == "Role" else "policy"
    return Harm(name=name, before=f'change("{type_}", "{resource}", {prop}=edit(lambda p: {edit}))', rule=rule, **more)


def _denial(name: str, sid: str, changes: str, **more: Any) -> Harm:
    """The denial with this Sid, changed."""
    return _policy(name, f"[each.update({changes}) for each in p['Statement'] if each['Sid'] == {sid!r}]", **more)


def _without(sid: str) -> str:
    """The edit that removes the statement with this Sid."""
    return f"p.update(Statement=[each for each in p['Statement'] if each['Sid'] != {sid!r}])"


def _statement(name: str, statement: str, *more: str, **options: Any) -> Harm:
    """One more statement."""
    return _policy(name, f"p['Statement'].append({statement})", *more, **options)


def _pattern(name: str, rule: str, edit: str, **more: Any) -> Harm:
    """An event pattern with another content."""
    return Harm(name=name, before=f'change("EventRule", "{rule}", event_pattern=edit(lambda p: {edit}))', **more)


def _changed(name: str, type_: str, resource: str, values: str, rule: str = "listed-resources", **more: Any) -> Harm:
    return Harm(name=name, before=f'change("{type_}", "{resource}", {values})', rule=rule, **more)


def _more(name: str, after: str, **more: Any) -> Harm:
    return Harm(name=name, after=after, **more)


_DELETION, _SHORT = "Deny deletion of the key", "Deny a short waiting period of a deletion"
_DISABLED, _IN_USE = "Deny disabling of a key in use", "Deny deletion of a key in use"
_EXCLUSIVE = "Deny use of the key to all but EONPRO"
_EVIL = 'Condition={"StringNotLike": {"aws:PrincipalArn": "*:role/evil"}}'
_BUCKET: dict[str, Any] = {"type_": "BucketPolicy", "resource": "audit-trail", "rule": "trail-bucket-tls"}
# The guards of a key in use deny its deletion as well: without them the first denial is the only one.
_PLAIN: dict[str, Any] = {"config": {"usageGuardDays": 0, "incidentResponders": []}}
_RESPONDERS = {"incidentResponders": ["arn:aws:iam::{account}:role/responder"]}
_PATTERNS = {
    "administratorPatterns": ["arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Keys_*"]
}
_DELETERS = {"deletionAdministrators": ["arn:aws:iam::{account}:role/deleter"]}

WALKED: tuple[Harm, ...] = (
    _denial("deletion denied to all but a pattern of somebody's", _DELETION, _EVIL),
    _denial(
        "deletion denied to all but a role in capitals",
        _DELETION,
        'Condition={"ArnNotEquals": {"aws:PrincipalArn": f"{IAM}:role/evil".upper()}}',
    ),
    _denial("deletion denied of the key with a name of one letter", _DELETION, 'Resource="?"'),
    _denial(
        "two short waiting periods denied, and no others",
        _SHORT,
        'Condition={"NumericEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": ["7", "29"]}}',
        config=_DELETERS,
    ),
    _denial(
        "a key in use is two of ninety days in use",
        _DISABLED,
        'Condition={"NumericEquals": {"kms:TrailingDaysWithoutKeyUsage": ["0", "89"]}}',
    ),
    _denial("exclusive use denied to all but a pattern too", _EXCLUSIVE, _EVIL, config={"exclusiveUse": True}),
    _denial("plain HTTP for a pattern of somebody's", "DenyPlainHttp", _EVIL, **_BUCKET),
    _denial(
        "plain HTTP for objects with a name of one letter", "DenyPlainHttp", 'Resource="arn:aws:s3:::?"', **_BUCKET
    ),
    _denial(
        "old TLS of one version denied",
        "DenyOldTls",
        'Condition={"NumericEquals": {"s3:TlsVersion": "1.1"}}',
        **_BUCKET,
    ),
    _denial(
        "old TLS denied to all but a role in capitals",
        "DenyOldTls",
        'Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}, '
        '"ArnNotEquals": {"aws:PrincipalArn": f"{IAM}:role/evil".upper()}}',
        **_BUCKET,
    ),
    *(
        _pattern(f"{rule} narrowed to calls that a test thinks of", rule, f"p['detail'].update({detail})")
        for rule, detail in (
            ("alerts-key-changes", '{"eventName": ["PutKeyPolicy", "DisableKey", "ScheduleKeyDeletion"]}'),
            ("alerts-trail-changes", '{"eventName": ["StopLogging", "DeleteTrail", "PutBucketPolicy"]}'),
            ("alerts-access-changes", '{"eventName": ["UpdateAssumeRolePolicy", "PutRolePolicy"]}'),
            ("alerts-alert-changes", '{"eventName": ["DisableRule", "DeleteRule", "Unsubscribe"]}'),
            ("alerts-denied-use", '{"errorCode": ["AccessDenied"]}'),
        )
    ),
    _pattern(
        "changes of the key by its alias alone, which KMS takes for none of them",
        "alerts-key-changes",
        "p['detail'].update({'$or': [{'requestParameters': {'keyId': ['alias/eonpro-phi-key']}}]})",
    ),
    Harm(
        name="a foreign account decrypts, and the normal form of the program calls it ours",
        before=(
            "import components.policies.statements as _statements\n"
            "_ours = _statements.canonical_principal\n"
            "patch(_statements, 'canonical_principal', "
            "lambda each: _ours((each[0], each[1].replace('999999999999', ACCOUNT))))\n"
            f'change("Key", "phi-key", policy=also({FOREIGN_USE}))'
        ),
        rule=ACCESS,
    ),
    Harm(
        name="a foreign account decrypts, and the program's reader drops it",
        before=(
            "import components.policies.statements as _statements\n"
            "_all = _statements.written_statements\n"
            "patch(_statements, 'written_statements', "
            "lambda document: tuple(each for each in _all(document) if '999999999999' not in str(each)))\n"
            f'change("Key", "phi-key", policy=also({FOREIGN_USE}))'
        ),
        rule=ACCESS,
    ),
    *(
        Harm(
            name=f"a foreign {what} in settings that call it ours",
            before=(
                "from components.settings import Settings as _Settings\n"
                "patch(_Settings, '_account_faults', lambda self: [])"
            ),
            config=config,
        )
        for what, config in (
            ("administrator", {"administrators": ["arn:aws:iam::999999999999:role/theirs"]}),
            ("application", {"appPrincipalArn": "arn:aws:iam::999999999999:role/theirs"}),
        )
    ),
)
"""Each passed before."""

_TOPIC_OF_OTHERS = "arn:aws:sns:us-east-1:999999999999:theirs"
_TARGET = ("EventTarget", "alerts-key-changes")

FURTHER: tuple[Harm, ...] = (
    # Denials.
    _denial("deletion denied in letters of another alphabet", _DELETION, 'Action="kms:Schedule\\u212aeyDeletion"'),
    _denial(
        "deletion denied to requests of which any value is another one",
        _DELETION,
        'Condition={"ForAnyValue:ArnNotEquals": {"aws:PrincipalArn": f"{IAM}:role/x"}}',
    ),
    _denial("deletion denied to the account's users alone", _DELETION, 'Principal={"AWS": ACCOUNT}'),
    _denial(
        "deletion denied after a day that never comes",
        _DELETION,
        'Condition={"DateGreaterThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}',
        **_PLAIN,
    ),
    _denial(
        "a key in use denied to be disabled, where the request says so",
        _DISABLED,
        'Condition={"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}, '
        '"Null": {"aws:ViaAWSService": "false"}}',
    ),
    _denial(
        "a key disabled by nobody, not by the responders either",
        _DISABLED,
        'Condition={"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}}',
        config=_RESPONDERS,
    ),
    _denial(
        "a key that is in use for all time",
        _DISABLED,
        'Condition={"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "100000"}}',
    ),
    _denial(
        "two responders, of whom the settings name one",
        _DISABLED,
        'Condition={"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}, '
        '"ArnNotEquals": {"aws:PrincipalArn": [f"{IAM}:role/responder", f"{IAM}:role/theirs"]}}',
        config=_RESPONDERS,
    ),
    _denial(
        "the application denied its own key",
        _EXCLUSIVE,
        'Condition={"ArnNotEquals": {"aws:PrincipalArn": f"{IAM}:role/nobody"}}',
        config={"exclusiveUse": True},
    ),
    _statement(
        "everything denied to everybody", '{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}'
    ),
    _statement(
        "a change of the policy denied to everybody",
        '{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "kms:PutKeyPolicy", "Resource": "*"}',
    ),
    _statement(
        "CloudTrail's writing denied",
        '{"Effect": "Deny", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject", '
        '"Resource": p["Statement"][-1]["Resource"][1]}',
        "audit-trail",
        "BucketPolicy",
    ),
    _statement(
        "everything but the reading of its policy denied to everybody",
        '{"Effect": "Deny", "Principal": "*", "NotAction": "kms:GetKeyPolicy", "Resource": "*"}',
    ),
    _denial("everything denied to the bucket over TLS too", "DenyPlainHttp", "Condition={}", **_BUCKET),
    _denial(
        "TLS 1.3 demanded of CloudTrail",
        "DenyOldTls",
        'Condition={"NumericLessThan": {"s3:TlsVersion": "1.3"}}',
        **_BUCKET,
    ),
    _statement(
        "the alerts' topic denied to everybody",
        '{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": p["Statement"][0]["Resource"]}',
        "alerts",
        "TopicPolicy",
    ),
    # What has to be allowed.
    _policy("the account locked out of its key", "p['Statement'].pop(0)"),
    _policy(
        "the account in its key only with a tag",
        "p['Statement'][0].update(Condition={'StringEquals': {'aws:PrincipalTag/team': 'x'}})",
    ),
    _policy(
        "a strict policy that its administrators cannot change",
        "p['Statement'][0]['Action'].remove('kms:PutKeyPolicy')",
        config={
            "strictKeyPolicy": True,
            # The caller is one of them, or the program itself would refuse.
            "administrators": ["arn:aws:iam::{account}:user/clinic-admin", "arn:aws:iam::{account}:role/second"],
        },
    ),
    _policy("the key without its administrators", _without("Allow administration of the key")),
    _policy("a key without responders", _without("Allow disabling of the key in an incident"), config=_RESPONDERS),
    _policy("the key without its roles of SSO", _without("Allow administration by SSO roles"), config=_PATTERNS),
    _policy(
        "CloudTrail without the key of its records",
        "p.update(Statement=[each for each in p['Statement'] if 'CloudTrail' not in each['Sid']])",
        "audit-trail-key",
    ),
    _policy(
        "EventBridge's messages lost by a condition",
        "p['Statement'][0].update(Condition={'StringEquals': {'aws:SourceAccount': ACCOUNT}})",
        "alerts",
        "TopicPolicy",
    ),
    _policy(
        "the records of one day's folder alone",
        "p['Statement'][1].update(Resource=p['Statement'][1]['Resource'].replace('/*', '/CloudTrail/2026/*'))",
        "audit-trail",
        "BucketPolicy",
    ),
    # What may be allowed.
    _policy(
        "the tokens of a project in other letters",
        "p['Statement'][0]['Condition'].update(StringEqualsIgnoreCase=p['Statement'][0]['Condition'].pop('StringEquals'))",
        "app-principal",
        "Role",
    ),
    _policy(
        "tokens without a subject",
        "p['Statement'][0].update(Condition={f'ForAllValues:{name}': keys "
        "for name, keys in p['Statement'][0]['Condition'].items()})",
        "app-principal",
        "Role",
    ),
    _statement(
        "the log service of another Region decrypts the records",
        '{"Effect": "Allow", "Principal": {"Service": "logs.eu-west-1.amazonaws.com"}, "Action": "kms:Decrypt", '
        '"Resource": "*"}',
        "audit-trail-key",
    ),
    _policy(
        "the application's policy on a foreign key of the same id",
        "p['Statement'][0].update(Resource=p['Statement'][0]['Resource'].replace(ACCOUNT, '999999999999'))",
        "app-access",
        "Policy",
    ),
    # Resources that look like somebody's own.
    _more(
        "the trail's bucket is a bucket of the team for its versions",
        'aws.s3.BucketVersioning("more", bucket=f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1", '
        'versioning_configuration={"status": "Suspended"})',
        config={"trailBucket": "eonpro-cloudtrail-logs-{account}-us-east-1"},
    ),
    _more(
        "a lifecycle of a day for the bucket that the program knows",
        'aws.s3.BucketLifecycleConfiguration("more", bucket=trail.bucket_name, rules=[{"id": "x", "status": "Enabled", '
        '"filter": {"prefix": ""}, "expiration": {"days": 1}}])',
    ),
    _more(
        "a second policy of the bucket of the access logs",
        'aws.s3.BucketPolicy("more", bucket=f"eonpro-access-logs-{ACCOUNT}-us-east-1", policy=doc({"Principal": '
        '{"AWS": FOREIGN}, "Action": "s3:GetObject", "Resource": "*"}))',
        config={"trailBucket": "eonpro-cloudtrail-logs-{account}-us-east-1"},
    ),
    _more(
        "the bucket of the state for another account",
        'aws.s3.BucketPolicy("more", bucket="clinic-pulumi-state", policy=doc({"Principal": {"AWS": FOREIGN}, '
        '"Action": "s3:GetObject", "Resource": "arn:aws:s3:::clinic-pulumi-state/*"}))',
        rule="required-resources",
    ),
    *(
        _more(
            f"the bucket of the state {how}",
            f'{bucket}aws.s3.BucketPolicy("more", bucket={named}, policy=doc({{"Principal": {{"AWS": FOREIGN}}, '
            '"Action": "s3:GetObject", "Resource": "arn:aws:s3:::clinic-pulumi-state/*"}))',
            rule=PRESENT,
        )
        for how, bucket, named in (
            (
                "by a bucket of the same name that cannot be made",
                'aws.s3.Bucket("more", bucket="clinic-pulumi-state")\n',
                '"clinic-pulumi-state"',
            ),
            (
                "computed from a bucket of the team",
                '_own = aws.s3.Bucket("more", bucket="team-files")\n',
                '_own.bucket.apply(lambda _: "clinic-pulumi-state")',
            ),
        )
    ),
    *(
        _more(f"the stack's output {name} names somebody else's", f"pulumi.export({name!r}, {value})", rule=PRESENT)
        for name, value in (
            ("keyArn", '"arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555"'),
            ("parameterPrefix", '"/theirs/production"'),
            ("taskSecrets", '[{"name": "ENCRYPTED_PHI_KEY", "valueFrom": "/theirs/production/ENCRYPTED_PHI_KEY"}]'),
        )
    ),
    _more(
        "an alarm of the team with the name of the stack's",
        'aws.cloudwatch.MetricAlarm("more", name="eonpro-denied-use", comparison_operator="GreaterThanThreshold", '
        'evaluation_periods=1, metric_name="x", namespace="x", period=60, statistic="Sum", threshold=1000000)',
    ),
    _more(
        "a log group of the team with the name of the trail's",
        'aws.cloudwatch.LogGroup("more", name="/aws/cloudtrail/eonpro-audit-trail", retention_in_days=1)',
        config={"cloudwatchLogs": True},
    ),
    *(
        _more(f"{what} of the team that is another environment's", program)
        for what, program in (
            ("a topic", 'aws.sns.Topic("more", name="eonpro-fallback-alerts-staging")'),
            (
                "an alarm",
                'aws.cloudwatch.MetricAlarm("more", name="eonpro-denied-use-staging", evaluation_periods=1, '
                'comparison_operator="GreaterThanThreshold", metric_name="x", namespace="x", period=60, '
                'statistic="Sum", threshold=1000000)',
            ),
            ("a log group", 'aws.cloudwatch.LogGroup("more", name="/aws/cloudtrail/eonpro-audit-trail-staging")'),
            (
                "a bucket",
                'aws.s3.Bucket("more", bucket=f"eonpro-cloudtrail-logs-staging-{ACCOUNT}-us-east-1-an", '
                "force_destroy=True)",
            ),
        )
    ),
    _more(
        "a bucket of documents that goes with the stack",
        'aws.s3.Bucket("more", bucket="clinic-documents", force_destroy=True)',
        config={"documentBuckets": ["clinic-documents"]},
    ),
    _more(
        "a bucket of the team that was the trail's",
        'aws.s3.Bucket("more", bucket="team-files", opts=ResourceOptions(aliases=['
        '"urn:pulumi:production::eonpro-kms::eonpro:kms:AuditTrail$aws:s3/bucket:Bucket::audit-trail"]))',
        by_engine=False,
    ),
    # Alerts.
    _pattern(
        "changes by root alone",
        "alerts-access-changes",
        "[each.update(userIdentity={'type': ['Root']}) for each in p['detail']['$or']]",
    ),
    _pattern("changes in another account", "alerts-trail-changes", "p.update(account=['000000000000'])"),
    _pattern("changes that no record calls so", "alerts-alert-changes", "p['detail'].update(readOnly=['false'])"),
    Harm(
        name="a pattern with the same name twice",
        before=(
            'change("EventRule", "alerts-trail-changes", event_pattern=lambda text: '
            'text[:-1] + \',"source":["aws.nothing"]}\')'
        ),
    ),
    _changed("an alarm that is always on", "MetricAlarm", "alerts-denied-use", "threshold=0"),
    _changed(
        "an alarm that ends machines, too",
        "MetricAlarm",
        "alerts-denied-use",
        'alarm_actions=[f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts", "arn:aws:automate:us-east-1:ec2:terminate"]',
    ),
    _changed(
        "an alarm that tells another account",
        "MetricAlarm",
        "alerts-denied-use",
        f'ok_actions=["{_TOPIC_OF_OTHERS}"]',
    ),
    _changed(
        "a message whose places are written as text",
        *_TARGET,
        "input_transformer=lambda given: "
        "{**given, 'input_template': given['input_template'].replace('<', '\\\\\\\\<')}",
    ),
    _changed(
        "a message that plays itself down",
        *_TARGET,
        "input_transformer=lambda given: "
        "{**given, 'input_template': given['input_template'] + '\\n\"A drill: ignore it.\"'}",
    ),
    _changed(
        "a message about a drill",
        *_TARGET,
        "input_transformer=lambda given: {**given, 'input_template': "
        "given['input_template'].replace(' key.', ' key in a drill that nobody has to look at.')}",
    ),
    _changed(
        "a role that keeps none of its policies",
        "Role",
        "delivery-execution",
        "managed_policy_arns=[]",
        rule=ACCESS,
        config={"deployTargets": ["ecs"], "vercelTeam": None, "vercelProject": None},
        by_engine=False,
    ),
    _more(
        "the hash key delivered under the data key's name",
        "_names = {'ENCRYPTED_PHI_KEY': 'ENCRYPTED_PHI_HASH_KEY', 'ENCRYPTED_PHI_HASH_KEY': 'ENCRYPTED_PHI_KEY'}\n"
        "_swapped = [{**each, 'name': _names.get(each['name'], each['name'])} for each in delivery.task_secrets]\n"
        "pulumi.export('taskSecrets', _swapped)",
        rule="required-resources",
        config={"deployTargets": ["vercel", "ecs"], "hashKey": True},
    ),
    _more(
        "secrets of the tasks that only the update knows",
        "_own = aws.s3.Bucket('more', bucket='team-u')\n"
        "pulumi.export('taskSecrets', _own.id.apply(lambda _: [*delivery.task_secrets, "
        "{'name': 'NODE_OPTIONS', 'valueFrom': 'team'}]))",
        rule="required-resources",
        config={"deployTargets": ["vercel", "ecs"]},
    ),
    _changed(
        "a key by a provider that has the name of the default one, for any account",
        "Key",
        "phi-key",
        '{"provider": aws.Provider("default_1", region="us-east-1")}',
    ),
    _changed(
        "a message that is given up after a minute",
        *_TARGET,
        'retry_policy={"maximum_event_age_in_seconds": 60, "maximum_retry_attempts": 0}',
    ),
    # The trail.
    _changed(
        "an S3 Bucket Key, for which CloudTrail has no right",
        "BucketServerSideEncryptionConfiguration",
        "audit-trail",
        "rules=lambda rules: [{**rules[0], 'bucket_key_enabled': True}]",
        "trail-bucket-encrypted",
    ),
    _changed(
        "data events in the place of the others",
        "Trail",
        "audit-trail",
        'event_selectors=[{"include_management_events": False, "data_resources": [{"type": "AWS::S3::Object", '
        '"values": ["arn:aws:s3"]}]}]',
        TRAIL,
    ),
    _changed(
        "all events, and none of KMS",
        "Trail",
        "audit-trail",
        'event_selectors=[{"read_write_type": "All"}, {"exclude_management_event_sources": ["kms.amazonaws.com"]}]',
        TRAIL,
    ),
    _changed(
        "writing calls alone, by the newer selectors",
        "Trail",
        "audit-trail",
        'advanced_event_selectors=[{"field_selectors": [{"field": "eventCategory", "equals": ["Management"]}, '
        '{"field": "readOnly", "equals": ["false"]}]}]',
        TRAIL,
    ),
    _changed(
        "versions suspended, with MFA delete",
        "BucketVersioning",
        "audit-trail",
        'versioning_configuration={"status": "Suspended", "mfa_delete": "Enabled"}, mfa="arn 123456"',
        "trail-bucket-versioned",
    ),
    _changed(
        "the log group for a day",
        "LogGroup",
        "audit-trail-logs",
        "retention_in_days=1",
        config={"cloudwatchLogs": True},
    ),
    _changed("the user of the application in another path", "User", "app-principal", 'path="/x/"', ACCESS, config=USER),
    _changed("the key's alias in another Region", "Alias", "phi-key", 'region="eu-west-1"'),
    _policy("a trust that trusts nobody", "p.update(Statement=[])", "app-principal", "Role"),
    _policy(
        "a trust from an address that nobody has",
        "p['Statement'][0]['Condition'].update(IpAddress={'aws:SourceIp': '192.0.2.1/32'})",
        "app-principal",
        "Role",
    ),
    _policy(
        "a key policy without the application",
        "p.update(Statement=[each for each in p['Statement'] if APP_ROLE not in str(each['Principal'])])",
    ),
    _policy(
        "tasks that cannot read the data key",
        "p['Statement'][0].update(Resource=p['Statement'][0]['Resource'][:1])",
        "delivery-parameters",
        "Policy",
        config={"deployTargets": ["ecs"]},
    ),
    Harm(
        name="a policy of AWS for an imported one of the application",
        config={"adopted": ["application-policy=arn:aws:iam::aws:policy/AdministratorAccess"]},
    ),
    Harm(
        name="components in the place of the rules of the alerts",
        before=(
            "_rule = aws.cloudwatch.EventRule\n"
            "def _called_so(logical, *args, **more):\n"
            "    made = pulumi.ComponentResource('aws:cloudwatch/eventRule:EventRule', logical, {})\n"
            "    made.name = made.arn = pulumi.Output.from_input(more['name'])\n"
            "    return made\n"
            "patch(aws.cloudwatch, 'EventRule', _called_so)"
        ),
        rule=PRESENT,
    ),
    Harm(
        name="the second way of the alerts taken out with its topic",
        before=(
            "import components.alerts as _alerts\n"
            "_topics = _alerts.alert_topics_of\n"
            "_rules = _alerts.alert_rules_of\n"
            "patch(_alerts, 'alert_rules_of', lambda s: tuple(each for each in _rules(s) if each.kind != 'fallback'))"
        ),
        rule=PRESENT,
    ),
)
"""Thought of when the code stood."""

ALL = (*HARMS, *WALKED, *FURTHER)
"""Every harmful change."""

_OWN = "team-files"

HARMLESS: tuple[Harm, ...] = (
    _more("a bucket of the team", f'aws.s3.Bucket("more", bucket="{_OWN}", force_destroy=True, tags={{"Team": "x"}})'),
    _more("a bucket that has the application's name", 'aws.s3.Bucket("more", bucket="eonpro-team-files")'),
    _more(
        "its settings, by the bucket itself",
        f'_own = aws.s3.Bucket("more", bucket="{_OWN}")\n'
        'aws.s3.BucketVersioning("more", bucket=_own.id, versioning_configuration={"status": "Suspended"})\n'
        'aws.s3.BucketPublicAccessBlock("more", bucket=_own.id, block_public_acls=True)\n'
        'aws.s3.BucketLifecycleConfiguration("more", bucket=_own.id, rules=[{"id": "x", "status": "Enabled", '
        '"filter": {"prefix": ""}, "expiration": {"days": 30}}])\n'
        'aws.s3.BucketServerSideEncryptionConfiguration("more", bucket=_own.id, rules=[{'
        '"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}])',
    ),
    _more(
        "its policy",
        f'_own = aws.s3.Bucket("more", bucket="{_OWN}")\n'
        f'aws.s3.BucketPolicy("more", bucket=_own.id, policy=doc({{"Principal": {{"AWS": IAM + ":root"}}, '
        f'"Action": "s3:GetObject", "Resource": "arn:aws:s3:::{_OWN}/*"}}))',
    ),
    _more("a log group of the team", 'aws.cloudwatch.LogGroup("more", name="/team/app", retention_in_days=7)'),
    _changed(
        "the log group for two years",
        "LogGroup",
        "audit-trail-logs",
        "retention_in_days=731",
        config={"cloudwatchLogs": True},
    ),
    _more(
        "an alarm of the team",
        'aws.cloudwatch.MetricAlarm("more", name="team-errors", comparison_operator="GreaterThanThreshold", '
        'evaluation_periods=1, metric_name="Errors", namespace="Team", period=60, statistic="Sum", threshold=1, '
        'alarm_actions=[f"arn:aws:sns:us-east-1:{ACCOUNT}:team"])',
    ),
    _more(
        "a topic of the team, with who publishes to it and who is told",
        '_own = aws.sns.Topic("more", name="on-call")\n'
        'aws.sns.TopicSubscription("more", topic=_own.arn, protocol="email", endpoint="x@team.example")\n'
        'aws.sns.TopicPolicy("more", arn=_own.arn, policy=doc({"Principal": {"Service": "cloudwatch.amazonaws.com"}, '
        '"Action": "sns:Publish", "Resource": f"arn:aws:sns:us-east-1:{ACCOUNT}:on-call"}))',
    ),
    _changed("the alarm after one denied use", "MetricAlarm", "alerts-denied-use", "threshold=1"),
    _changed(
        "a second action of the alarm",
        "MetricAlarm",
        "alerts-denied-use",
        "alarm_actions=lambda arns: [*arns, f'arn:aws:sns:us-east-1:{ACCOUNT}:on-call']",
    ),
    _changed(
        "MFA delete",
        "BucketVersioning",
        "audit-trail",
        'versioning_configuration={"status": "Enabled", "mfa_delete": "Enabled"}, mfa="arn 123456"',
    ),
    _changed(
        "CloudTrail Insights",
        "Trail",
        "audit-trail",
        'insight_selectors=[{"insight_type": "ApiCallRateInsight"}, {"insight_type": "ApiErrorRateInsight"}]',
        # The sandbox's provider has no such property, nor the next one but one.
        by_engine=False,
    ),
    _changed(
        "data events of S3 on the trail",
        "Trail",
        "audit-trail",
        'event_selectors=[{"read_write_type": "All", "include_management_events": True, "data_resources": ['
        '{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}]}]',
    ),
    _changed(
        "the same by the newer selectors",
        "Trail",
        "audit-trail",
        'advanced_event_selectors=[{"field_selectors": [{"field": "eventCategory", "equals": ["Management"]}]}, '
        '{"field_selectors": [{"field": "eventCategory", "equals": ["Data"]}, '
        '{"field": "resources.type", "equals": ["AWS::S3::Object"]}]}]',
        by_engine=False,
    ),
    _changed(
        "records for ten years",
        "BucketLifecycleConfiguration",
        "audit-trail",
        "rules=lambda rules: [{**rules[0], 'expiration': {'days': 3650}, "
        "'noncurrent_version_expiration': {'noncurrent_days': 3650}}]",
    ),
    _changed(
        "a stricter lock for longer",
        "BucketObjectLockConfiguration",
        "audit-trail",
        'rule={"default_retention": {"mode": "COMPLIANCE", "days": 3650}}',
    ),
    _pattern(
        "changes of a role of the team alerted, too",
        "alerts-access-changes",
        "p['detail']['$or'].append("
        "{'eventSource': ['iam.amazonaws.com'], 'requestParameters': {'roleName': ['team']}})",
    ),
    _policy(
        "the statements in another order, without Sids",
        "p.update(Statement=[{name: each[name] for name in each if name != 'Sid'} for each in p['Statement'][::-1]])",
    ),
    _denial("nobody deletes the key, whom the settings let", _DELETION, "Condition={}", config=_DELETERS),
    _denial(
        "no deletion of a key that was in use within half a year",
        _IN_USE,
        'Condition={"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "180"}}',
    ),
    _changed(
        "another description and a further tag", "Key", "phi-key", 'description="x", tags=lambda t: {**t, "A": "b"}'
    ),
    _policy("the application without its health check", "p['Statement'][-1]['Action'].remove('kms:DescribeKey')"),
)
"""They are the team's own, or stricter than the table."""
