"""The judgement of one resource by its row of the table: which rule it violates, and in which words.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from components.policies.statements import PolicyStatement
from components.settings import Settings, correction_line
from components.settings.settings import CONFIG_KEYS

from . import documents
from .resource import Resource, check_all, plain
from .row import By, Check, Document, May, OneOf, Row
from .table import rows_of
from .table.keys import USE

_DEFAULT_PROVIDER = re.compile(r"default(_\d+){0,3}")
_HARMLESS_OPTIONS = frozenset(
    ("version", "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId")
)
"""Options that the provider sets by itself."""
_FREE = frozenset(("description", "alarmDescription", "tagsAll"))
_REFERENCES = frozenset(
    (
        *("bucket", "targetBucket", "s3BucketName", "policyArn", "role", "user", "rule", "topic", "arn", "roleArn"),
        *("alarmActions", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn"),
    )
)
"""Properties that the program takes from other resources of the stack, so that a first preview does not know them."""
_IMPORTED_USE = ("kms:encrypt", "kms:generatedatakeywithoutplaintext")
"""What the application may do besides with a key policy that was left as it was found: neither decrypts anything."""

NEEDS: Mapping[str, str] = {
    "aws:kms/replicaKey:ReplicaKey": "replicaRegions",
    "aws:iam/user:User": "vercelAccess",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "appPrincipalArn",
    "aws:s3/bucketLogging:BucketLogging": "accessLogging",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": "trailLock",
    "aws:cloudtrail/trail:Trail": "existingTrailArn",
    "aws:cloudwatch/logGroup:LogGroup": "cloudwatchLogs",
    "aws:sns/topicSubscription:TopicSubscription": "alertEmails",
    **dict.fromkeys(
        (
            "aws:sns/topic:Topic",
            "aws:sns/topicPolicy:TopicPolicy",
            "aws:cloudwatch/eventRule:EventRule",
            "aws:cloudwatch/eventTarget:EventTarget",
            "aws:cloudwatch/metricAlarm:MetricAlarm",
        ),
        "alerts",
    ),
}
"""The setting that decides whether the stack has a resource of the type, or how many."""


def is_component(resource: Resource) -> bool:
    """Whether it only groups other resources: no provider makes it."""
    return resource.provider is None and not resource.type.startswith("pulumi:providers:")


def title(resource: Resource) -> str:
    """A resource as a message names it."""
    return f"The {resource.type.rpartition(':')[2]} {resource.name}"


def set_it(resource: Resource, setting: str) -> str:
    """The command that changes a setting of the stack."""
    is_configured = setting in CONFIG_KEYS or setting == "region"
    command = correction_line(setting, resource.stack) if is_configured else ""
    return f"to change that: {command}" if command else f"see the setting {setting}"


def violations(resource: Resource, rule: str) -> Iterator[str]:
    """What a resource violates of one rule. Raises UnknownValueError after all known values were checked."""
    if is_component(resource):
        return
    settings = resource.settings
    if settings is None:
        if rule == "listed-resources":
            yield "The stack's settings cannot be read, so that nothing can be checked: correct Pulumi.<stack>.yaml."
        return
    if resource.type.startswith("pulumi:providers:"):
        if rule == "listed-resources":
            yield from _provider(resource, settings)
        return
    row = rows_of(settings).get((resource.type, resource.name))
    if row is None:
        if rule == "listed-resources":
            yield _not_listed(resource, settings)
        return
    if rule == "listed-resources":
        yield from _options(resource, settings, row)
    if rule == "resource-protection" and row.protected and not resource.protected:
        # The engine does not send retainOnDelete to a policy; `protect` alone prevents the deletion.
        yield f"{title(resource)} is not protected: set the resource option protect."
    yield from check_all(
        [
            *(_property(resource, row, name) for name in _properties(resource, row) if row.rule_of(name) == rule),
            *(_document(resource, settings, row, name, rule) for name in row.documents),
        ]
    )


# --- what there may be


def _not_listed(resource: Resource, settings: Settings) -> str:
    setting = NEEDS.get(resource.type)
    text = f"{title(resource)} ({resource.type}) is not in the table of what this stack may contain"
    if setting is None and all(type_ != resource.type for type_, _ in rows_of(settings)):
        return (
            f"{text}: with it somebody could get access, or change what the stack protects, unseen by the other rules. "
            "Remove it, or make it in a stack of its own."
        )
    how = set_it(resource, setting) if setting else "its settings ask for no other one"
    return f"{text}: a second one of its kind, or one that the settings do not ask for. Remove it, or {how}."


def _provider(provider: Resource, settings: Settings) -> Iterator[str]:
    """A provider is the default one of AWS, with the options of the stack's configuration."""
    if provider.type != "pulumi:providers:aws":
        yield (
            f"{title(provider)} ({provider.type}) is not in the table of what this stack may contain: what it makes is "
            "not checked. Remove what uses it, or make it in a stack of its own."
        )
        return
    if not _DEFAULT_PROVIDER.fullmatch(provider.name):
        yield (
            f"The provider {provider.name} is an explicit one: it could work in another account, or as somebody else. "
            "Remove it; options of the provider are the stack's configuration, such as aws:assumeRoles."
        )
    for name in sorted(set(provider.props) - _HARMLESS_OPTIONS):
        # An option may be a secret: it is not shown.
        if _option(plain(provider.props[name])) != _option(provider.configuration.get(f"aws:{name}")):
            command = f"pulumi config set --stack {provider.stack} aws:{name} VALUE"
            yield f"The provider's {name} is not the one of the stack's configuration; to set it there: {command}"


def _option(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _options(resource: Resource, settings: Settings, row: Row) -> Iterator[str]:
    provider_type, _, provider = (resource.provider or "").rpartition("::")
    if not provider_type.endswith("pulumi:providers:aws") or not _DEFAULT_PROVIDER.fullmatch(provider):
        yield (
            f"{title(resource)} is made by the provider {provider}, which could work in another account or as somebody "
            "else: use the stack's own. Its options are the stack's configuration, such as aws:assumeRoles."
        )
    for alias in resource.aliases:
        # A URN has the types of the parents before the resource's own.
        *_, types, name = alias.split("::")
        former = (types.rpartition("$")[2], name)
        if former != (resource.type, resource.name) and former in rows_of(settings):
            yield f"{title(resource)} takes the place of another resource, by the alias {alias}: remove the alias."
    for name in sorted(resource.ignored - row.ignores - row.kept):
        yield (
            f"{title(resource)} ignores changes of {name} (ignoreChanges): what somebody changes there would stay. "
            "Remove the option, or name the group in keptAsFound."
        )


# --- its properties


def _properties(resource: Resource, row: Row) -> Iterator[str]:
    """The properties that are checked: those of the row, and all that the resource has beside them."""
    yield from row.must
    known = {*row.must, *row.documents, *row.keys, *_FREE}
    yield from (name for name in ("region", "tags") if name not in known)
    yield from sorted(name for name in set(resource.props) - known - {"region", "tags"} if not name.startswith("__"))
    yield from (name for name in row.keys if name not in row.documents and name not in row.must)


def _property(resource: Resource, row: Row, name: str) -> Iterator[str]:
    if name in row.kept & resource.ignored:
        return
    try:
        value = plain(resource.props.get(name))
    except UnknownValueError:
        if name in _REFERENCES or name in row.keys:
            # Known in the update, and nothing that a person needs to read in every preview.
            return
        raise
    home = resource.settings.region if resource.settings else ""
    for fault in _faults(row, name, value, home):
        setting = row.must[name].setting if isinstance(row.must.get(name), By) else ""
        yield f"{title(resource)}: its {name} {fault}{f'; {set_it(resource, setting)}' if setting else ''}."


def _faults(row: Row, name: str, value: Any, home: str) -> Iterator[str]:
    expected = row.must.get(name, OneOf(values=(None,)))
    if isinstance(expected, By):
        expected = expected.value
    if name == "region" and name not in row.must:
        # Without a Region of its own it is in the provider's.
        if (value or home) != row.region and (value or row.region):
            yield f"is {value or home}, and has to be {row.region}"
    elif name == "tags" and name not in row.must:
        if missing := {tag: text for tag, text in row.tags.items() if (value or {}).get(tag) != text}:
            yield f"lack {missing}, by which the stack's resources are known"
    elif name in row.keys and name not in row.must:
        if not isinstance(value, str) or not _KEY_ID.search(value):
            yield f"is {value!r}, and has to be a key of this stack"
    elif isinstance(expected, Check):
        yield from expected.faults(value)
    elif name not in row.must:
        # An empty value switches nothing on.
        if value:
            yield f"is {value!r}, and the table has none"
    else:
        accepted = expected.values if isinstance(expected, OneOf) else (expected,)
        if not any(_equal(value, each) for each in accepted):
            yield f"is {_shown(value)}, and has to be {' or '.join(_shown(each) for each in accepted)}"


_KEY_ID = re.compile(r"(?:^|:key/)(mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


def _equal(value: Any, expected: Any) -> bool:
    # 1 equals True, and is another value; an empty text is no value.
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    return bool(value == expected or (expected is None and value in ("", [], {})))


def _shown(value: Any) -> str:
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


# --- its documents


def document_faults(resource: Resource, row: Row, name: str) -> Iterator[str]:
    """What a document gives that it may not, by any rule."""
    if resource.settings is not None:
        rules = ("listed-access", "no-wildcard-principal", "trail-bucket-tls")
        yield from check_all(_document(resource, resource.settings, row, name, rule) for rule in rules)


def _document(resource: Resource, settings: Settings, row: Row, name: str, rule: str) -> Iterator[str]:
    rules = {"listed-access", "no-wildcard-principal", *(each.rule for each in row.documents[name].denied)}
    if rule not in rules:
        return
    where = f"{title(resource)}: its {name}"
    is_left = name in row.kept & resource.ignored
    value = plain(resource.props.get(name))
    try:
        statements = documents.read(value)
    except documents.DocumentError as error:
        if rule == "listed-access":
            yield f"{where} {error}, so that it cannot be checked."
        return
    if rule == "no-wildcard-principal":
        yield from (f"{where}, {fault}." for fault in documents.everybody(statements))
    if rule == "listed-access":
        found = _left_as_found(statements, settings) if is_left else documents.excess(statements, row.documents[name])
        yield from (f"{where}, {fault}." for fault in found)
    for denied in () if is_left else row.documents[name].denied:
        if denied.rule == rule and (somebody := documents.permitted(statements, denied, settings.account_id)):
            how = f"; {set_it(resource, denied.setting)}" if denied.setting else ""
            yield f"{where} does not deny {denied.what} to {somebody}: add that denial again{how}."


def _left_as_found(statements: Iterable[PolicyStatement], settings: Settings) -> Iterator[str]:
    """What the application gets by a document that the settings leave as it was found: the rest is not the stack's."""
    own = tuple(("AWS", arn) for arn in settings.app_principal_arns)
    allowed = Document(may=(May(who=own, actions=(*USE, *_IMPORTED_USE), on=("*",)),))
    of_application = [replace(each, principals=own) for each in statements if set(own) & set(each.principals)]
    yield from documents.excess(of_application, allowed)
