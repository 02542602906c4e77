"""The judgement of one resource by its row of the table: which rule it violates, and in which words.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from . import statements as of_statements
from . import types
from .patterns import KEY_ID
from .resource import UNKNOWN, Resource, UnknownValue, check_all, plain
from .row import By, Check, Document, May, OneOf, Row
from .settings import Settings, correction
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
_IMPORTED_USE = ("kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext")
"""What the application may do besides with a key policy that was left as it was found: neither decrypts anything."""

_OF_A_BUCKET = (
    *(types.BUCKET_POLICY, types.PUBLIC_ACCESS_BLOCK, types.OWNERSHIP, types.VERSIONING, types.ENCRYPTION),
    *(types.LIFECYCLE, types.OBJECT_LOCK, types.BUCKET_LOGGING),
)
SET_OF: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(_OF_A_BUCKET, (types.BUCKET, "bucket")),
    **dict.fromkeys((types.TOPIC_POLICY, types.SUBSCRIPTION), (types.TOPIC, "arn")),
}
"""For each type of setting: the type of the resource that it is set of, and the property of that which it names."""
NAMED_BY: Mapping[str, str] = {
    **dict.fromkeys((types.BUCKET, *_OF_A_BUCKET), "bucket"),
    **dict.fromkeys((types.LOG_GROUP, types.ALARM, types.TOPIC), "name"),
    types.TOPIC_POLICY: "arn",
    types.SUBSCRIPTION: "topic",
}
"""The types of which a stack may have others beside its own, and the property that says which one it is.

None of them gives anybody access to a key, the records or the trail, or changes what the stack protects, as long as it
is not one of the stack's own: S3 takes no policy about another bucket, and a log group, an alarm and a topic give
nothing. What is set of a bucket or a topic is of one that the stack makes: the account has others, such as the bucket
of Pulumi's state.
"""
_BUCKET_NAME = re.compile(r"[a-z0-9.-]+", re.ASCII)
"""Not an ARN, which can be an access point of any bucket."""

NEEDS: Mapping[str, str] = {
    types.REPLICA_KEY: "replicaRegions",
    types.USER: "vercelAccess",
    types.USER_ATTACHMENT: "appPrincipalArn",
    types.BUCKET_LOGGING: "accessLogging",
    types.OBJECT_LOCK: "trailLock",
    types.TRAIL: "existingTrailArn",
    types.LOG_GROUP: "cloudwatchLogs",
    types.SUBSCRIPTION: "alertEmails",
    **dict.fromkeys((types.TOPIC, types.TOPIC_POLICY, types.EVENT_RULE, types.EVENT_TARGET, types.ALARM), "alerts"),
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
    command = correction(setting, resource.stack)
    return f"to change that: {command}" if command else f"see the setting {setting}"


def violations(resource: Resource, rule: str) -> Iterator[str]:
    """What a resource violates of one rule. Raises UnknownValue after all known values were checked."""
    if is_component(resource):
        return
    settings = resource.settings
    if settings is None:
        if rule == "listed-resources":
            yield (
                f"The stack's settings cannot be read ({resource.unreadable}), so that nothing can be checked: correct "
                f"Pulumi.{resource.stack}.yaml."
            )
        return
    if resource.type.startswith("pulumi:providers:"):
        if rule == "listed-resources":
            yield from _provider(resource)
        return
    row = rows_of(settings).get((resource.type, resource.name))
    if rule == "listed-resources":
        yield from _options(resource, settings, row)
        if row is None:
            yield from _not_of_the_stack(resource, settings)
    if row is None:
        return
    if rule == "resource-protection" and row.protected and not resource.protected:
        # The engine does not send retainOnDelete to a policy; `protect` alone prevents the deletion.
        yield f"{title(resource)}: its option protect is false, wanted true: set it in the program."
    yield from check_all(
        [
            *(_property(resource, row, name) for name in _properties(resource, row) if row.rule_of(name) == rule),
            *(_document(resource, settings, row, name, rule) for name in row.documents),
        ]
    )


# --- what there may be


def _not_of_the_stack(resource: Resource, settings: Settings) -> Iterator[str]:
    """A resource without a row: harmless if it can be told from everything that the stack has."""
    if resource.type in NAMED_BY:
        yield from _not_ours(resource, settings)
        return
    kind = resource.type.rpartition(":")[2]
    text = f"{title(resource)} ({resource.type}) is not in the table of what this stack may contain"
    own = sorted(name for type_, name in rows_of(settings) if type_ == resource.type)
    setting = NEEDS.get(resource.type)
    if setting or own:
        listed = f"found a further {kind}, wanted {', '.join(own) or 'none'}"
        how = f", or {set_it(resource, setting)}" if setting else ""
        yield f"{text}: {listed}, as the settings say. Take it out, make it in a stack of its own{how}."
        return
    yield (
        f"{text}: with it somebody could get access, or change what the stack protects, unseen by the other rules. "
        "Take it out of the program, and make it in a stack of its own."
    )


def _not_ours(resource: Resource, settings: Settings) -> Iterator[str]:
    """A fault of a resource that may be there beside the stack's own, if it is one of these."""
    named_by = NAMED_BY[resource.type]
    value = resource.known(named_by)
    if value is UNKNOWN:
        return
    own = {row.must[NAMED_BY[row.type]] for row in rows_of(settings).values() if row.type in NAMED_BY}
    own |= {settings.own_bucket, settings.access_bucket, *settings.document_buckets}
    if (
        value in own
        or _of_any_environment(settings).fullmatch(str(value))
        or (named_by == "bucket" and value is not None and not _BUCKET_NAME.fullmatch(str(value)))
    ):
        setting = NEEDS.get(resource.type)
        how = f", or {set_it(resource, setting)}" if setting else ""
        yield (
            f"{title(resource)}: its {named_by} is {value}, wanted another one: that is a stack's, or the "
            f"application's. Name one of your own, or take it out of the program{how}."
        )
    elif (
        resource.type in SET_OF
        and resource.made is not None
        and not any(re.fullmatch(each, str(value)) for each in resource.made.get(SET_OF[resource.type][0], ()))
    ):
        yield not_of_own(resource, str(value))


def not_of_own(setting: Resource, value: str) -> str:
    """The fault of what is set of a bucket or a topic that the stack does not make beside its own."""
    named_by, kind = NAMED_BY[setting.type], SET_OF[setting.type][0].rpartition(":")[2].lower()
    return (
        f"{title(setting)}: its {named_by} is {value}, wanted an output of a {kind} that this stack makes beside its "
        "own: the account has others, such as the bucket of the state."
    )


def names_made(resource: Resource) -> tuple[str, str] | None:
    """The type of a bucket or a topic, and the pattern of the name or ARN that it gets; None for any other resource."""
    if resource.type not in (types.BUCKET, types.TOPIC) or resource.settings is None:
        return None
    name = resource.known("bucket" if resource.type == types.BUCKET else "name")
    prefix = resource.known("bucketPrefix" if resource.type == types.BUCKET else "namePrefix")
    # The provider adds the time and a number to a prefix, when it makes the resource.
    known = re.escape(name) if name and isinstance(name, str) else f"{re.escape(str(prefix or ''))}[0-9a-f]{{26}}"
    if resource.type == types.BUCKET:
        return resource.type, known
    region = resource.known("region") or resource.settings.region
    return resource.type, re.escape(resource.settings.arn("sns", "", region=str(region))) + known + r"(?:\.fifo)?"


def _of_any_environment(settings: Settings) -> re.Pattern[str]:
    """What matches the names of the application's topics, alarm, log groups and buckets in every environment.

    The settings give those of one environment only, and not of what is turned off in it. AWS takes the creation of a
    topic or an alarm that exists, and of a bucket in us-east-1, for a change of it.
    """
    kinds = "alerts|fallback-alerts|denied-use|audit-trail|cloudtrail-logs|access-logs"
    return re.compile(rf"(?:/aws/cloudtrail/)?{settings.application}-(?:{kinds})(?:-.*)?")


def _provider(provider: Resource) -> Iterator[str]:
    """A provider is the default one of AWS, with the options of the stack's configuration."""
    if provider.type != "pulumi:providers:aws":
        yield (
            f"{title(provider)} ({provider.type}) is not in the table of what this stack may contain: what it makes is "
            "not checked. Take out what uses it, and make it in a stack of its own."
        )
        return
    version = re.sub(r"[.+-]", "_", str(provider.known("version") or ""))
    if not _DEFAULT_PROVIDER.fullmatch(provider.name) or provider.name != "_".join(filter(None, ("default", version))):
        yield (
            f"The provider {provider.name} is an explicit one: it could work in another account, or as somebody else. "
            "Take it out; options of the provider are the stack's configuration, such as aws:assumeRoles."
        )
    configured = {key.removeprefix("aws:") for key in provider.configuration if key.startswith("aws:")}
    for name in sorted({*provider.props, *configured} - _HARMLESS_OPTIONS):
        # An option may be a secret: it is not shown.
        if _option(plain(provider.props.get(name))) != _option(provider.configuration.get(f"aws:{name}")):
            command = f"pulumi config set --stack {provider.stack} aws:{name} VALUE"
            yield f"The provider's {name} is not the one of the stack's configuration; to set it there: {command}"


def _option(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _options(resource: Resource, settings: Settings, row: Row | None) -> Iterator[str]:
    provider_type, _, provider = (resource.provider or "").rpartition("::")
    if not provider_type.endswith("pulumi:providers:aws") or not _DEFAULT_PROVIDER.fullmatch(provider):
        yield (
            f"{title(resource)} is made by the provider {provider}, which could work in another account or as somebody "
            "else: use the stack's own. Its options are the stack's configuration, such as aws:assumeRoles."
        )
    for alias in resource.aliases:
        # A URN has the types of the parents before the resource's own.
        *_, parents, name = alias.split("::")
        former = (parents.rpartition("$")[2], name)
        if former != (resource.type, resource.name) and former in rows_of(settings):
            yield f"{title(resource)} takes the place of another resource, by the alias {alias}: take the alias out."
    for name in sorted(resource.ignored - row.ignores - row.kept if row else ()):
        yield (
            f"{title(resource)} ignores changes of {name} (ignoreChanges): what somebody changes there would stay. "
            "Take the option out, or name the group in keptAsFound."
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
        value = resource.value(name)
    except UnknownValue:
        if name in _REFERENCES or name in row.keys:
            # Known in the update, and nothing that a person needs to read in every preview.
            return
        raise
    for fault in _faults(row, name, value, resource.settings):
        setting = row.must[name].setting if isinstance(row.must.get(name), By) else ""
        how = set_it(resource, setting) if setting else "set it so in the program"
        yield f"{title(resource)}: its {name} {fault}; {how}."


def _faults(row: Row, name: str, value: Any, settings: Settings | None) -> Iterator[str]:
    home, account = (settings.region, settings.account_id) if settings else ("", "")
    expected = row.must.get(name, OneOf(values=(None,)))
    if isinstance(expected, By):
        expected = expected.value
    if name == "region" and name not in row.must:
        # Without a Region of its own it is in the provider's.
        if (value or home) != row.region and (value or row.region):
            yield f"is {value or home}, wanted {row.region}"
    elif name == "tags" and name not in row.must:
        if missing := {tag: text for tag, text in row.tags.items() if (value or {}).get(tag) != text}:
            yield f"are {value or {}}, wanted {missing} too, by which the stack's resources are known"
    elif name in row.keys and name not in row.must:
        if not re.fullmatch(rf"(?:arn:[a-z-]+:kms:[a-z0-9-]+:{account}:key/)?(?:{KEY_ID})", str(value)):
            yield f"is {_shown(value)}, wanted a key of this stack"
    elif isinstance(expected, Check):
        yield from expected.faults(value)
    elif name not in row.must:
        # An empty value switches nothing on.
        if value:
            yield f"is {_shown(value)}, wanted none: the table has no such property"
    else:
        accepted = expected.values if isinstance(expected, OneOf) else (expected,)
        if not any(_equal(value, each) for each in accepted):
            yield f"is {_shown(value)}, wanted {' or '.join(_shown(each) for each in accepted)}"


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
    document = row.documents[name]
    if rule not in {"listed-access", "no-wildcard-principal", *(each.rule for each in document.denied)}:
        return
    where = f"{title(resource)}: its {name}"
    is_left = name in row.kept & resource.ignored
    value = resource.value(name)
    try:
        statements = of_statements.read(value)
    except of_statements.DocumentError as error:
        if rule == "listed-access":
            yield f"{where} {error}, so that it cannot be checked: write it as the table has it."
        return
    if rule == "no-wildcard-principal":
        yield from (f"{where}, {fault}." for fault in of_statements.everybody(statements))
    if rule == "listed-access" and is_left:
        yield from (f"{where}, {fault}." for fault in _left_as_found(statements, settings))
    elif rule == "listed-access":
        yield from (f"{where}, {fault}." for fault in of_statements.excess(statements, document))
        yield from (f"{where} {fault}." for fault in of_statements.absent(statements, document))
        yield from (f"{where}, {fault}." for fault in of_statements.overdone(statements, document))
    for denied in () if is_left else document.denied:
        if denied.rule == rule:
            how = set_it(resource, denied.setting) if denied.setting else "add that denial again"
            yield from (f"{where} {fault}; {how}." for fault in of_statements.undenied(statements, denied))


def _left_as_found(statements: Iterable[of_statements.Statement], settings: Settings) -> Iterator[str]:
    """What the application gets by a document that the settings leave as it was found: the rest is not the stack's."""
    own = frozenset(("AWS", arn) for arn in settings.principals)
    allowed = Document(may=(May(who=tuple(own), actions=(*USE, *_IMPORTED_USE), on=("*",)),))
    of_application = [replace(each, principals=each.principals & own) for each in statements if each.principals & own]
    yield from of_statements.excess(of_application, allowed)
