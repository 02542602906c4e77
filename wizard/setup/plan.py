"""The plan and the summary: what Pulumi and the wizard will do, and the answers behind it, as text.

Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from components.settings import DEFAULT_APPLICATION, ImportGroup, ObjectLock, SecretStore, Settings, StoredValue, Target
from components.settings.arn import Arn
from wizard.core.clients import Answer
from wizard.core.cost.drivers import estimate
from wizard.core.cost.prices import NOT_INCLUDED
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.access import PolicyJudgement
from wizard.core.models.account import Identity, Principal
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, FormerKey, StoredDataKey
from wizard.core.models.stack import Step
from wizard.inputs import choices
from wizard.targets.port import deploy_targets

SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±", "import": "=", "retain": "=", "same": " "}
"""The sign of each operation, so that colour is never the only sign."""

WORDS = {"create-replacement": "replace", "delete-replaced": "replace", "import-replacement": "replace"}
"""The steps of a replacement, which the engine reports in varying order, by the word for all of it."""

QUIET = ("same", "read", "refresh")

_FEW = 3
"""So many resources are named instead of counted."""

_LOCK = "bucketObjectLockConfiguration:"

PARTS = {
    "eonpro:kms:PhiKey": "The key",
    "eonpro:kms:AppPrincipal": "The application's identity",
    "eonpro:kms:AppAccess": "Its access to the key",
    "eonpro:kms:AuditTrail": "The audit trail",
    "eonpro:kms:Alerts": "The alerts",
    "eonpro:kms:Delivery": "The delivery",
}
"""The heading of each component, in the order of the plan."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a run will do."""

    stack: str
    settings: Settings
    identity: Identity
    steps: tuple[Step, ...]
    stored_data_key: StoredDataKey | None
    targets: tuple[Target, ...]
    """The targets of this run; the settings may hold more from earlier runs."""
    imported_data_key: WrappedDataKey | None = None
    """The application's existing data key, which is stored instead of a new one."""
    beside: Mapping[str, StoredDataKey] = field(default_factory=dict)
    """The other stored values that exist, by their variables."""
    unread: tuple[StoredValue, ...] = ()
    """The stored values that are made, and that nothing in the application's code reads."""
    former_key: FormerKey | None = None
    """What becomes of the application's ENCRYPTION_KEY; None if it has none, or already has a data key."""
    engine: str = ""
    """The version of Pulumi that made it."""
    policies: PolicyJudgement = PolicyJudgement()
    """What IAM Access Analyzer says about its policies."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that change something in the account."""
        return changing(self.steps)

    @property
    def first(self) -> bool:
        """Whether this run creates or imports the key."""
        return any(
            step.urn.endswith("aws:kms/key:Key::phi-key") and step.op in ("create", "import") for step in self.steps
        )

    @property
    def has_imports(self) -> bool:
        """Whether something that was created manually is imported."""
        return any(step.op.startswith("import") for step in self.steps)

    @property
    def losses(self) -> tuple[Step, ...]:
        """The steps that delete or replace something."""
        operations = ("delete", "replace", "retain")
        return tuple(step for step in self.changes if any(op in step.op for op in operations))


def changing(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps that change something in the account."""
    return tuple(step for step in steps if step.op not in QUIET and step.type.startswith("aws:"))


def irreversible(plan: Plan) -> tuple[str, ...]:
    """What this plan does that nobody can undo, as text."""
    # By the steps, not the settings: an earlier run may have done it already.
    if plan.settings.trail_lock is not ObjectLock.COMPLIANCE or not any(_LOCK in step.type for step in plan.changes):
        return ()
    return (
        f"Object Lock in compliance mode: for {plan.settings.trail_retention_days} days nobody, the account's root "
        "and AWS included, can delete the logs, shorten their retention, or end the cost",
    )


def lines(plan: Plan) -> tuple[str, ...]:
    """The plan as lines of text, in the order of the run."""
    settings = plan.settings
    text = [line for value in plan.unread for line in (f"! {unread(plan, value)}", "")]
    text += [f"In the account {settings.account_id}, {settings.region}, by Pulumi (stack {plan.stack}):"]
    width = max((len(_type(step)) for step in plan.changes), default=0)
    for part, steps in _by_part(plan.changes):
        text.append(f"  {part}")
        text += [
            f"    {SIGNS.get(word(step), '?')} {word(step):<8} {_type(step):<{width}}  {step.name}" + _changed(step)
            for step in steps
        ]
    text.append(f"  {_counts(plan)}")
    text += ["", "Outside Pulumi, so that no later update can touch it:"]
    text += _stored_lines(plan)
    variables = ", ".join(
        name if name == variable else f"{variable} as {name}" for name, variable in settings.delivered_variables.items()
    )
    for destination, targets in groupby(deploy_targets(plan.targets), lambda target: target.destination(settings)):
        members = tuple(targets)
        readers = [reader for target in members if (reader := target.reader())]
        text.append(f"  > deliver {variables}")
        text.append(f"    to {destination}" + (f", for {' and '.join(readers)}" if readers else ""))
        text += [f"  > {line}" for target in members for line in target.plan(settings)]
    text.append("  > verify: as the application, decrypt the data key, then encrypt and decrypt one invented record")
    cost = estimate(settings)
    text += ["", f"What it costs: ${cost.monthly:.2f} a month, estimated (details: the command cost):"]
    wide = max(len(item.name) for item in cost.items)
    text += [f"  {item.name:<{wide}}  {f'${item.monthly:.2f}':>6}  {item.price.text}" for item in cost.items]
    text.append(f"  {NOT_INCLUDED}")
    text += ["", f"How long it takes: about {duration(plan)}"]
    return tuple(text)


def _stored_lines(plan: Plan) -> list[str]:
    """What is kept, generated and stored: the data key and the values beside it, in each Region."""
    settings, text = plan.settings, list[str]()
    store = settings.secret_store.service
    if plan.stored_data_key is None and plan.imported_data_key is not None:
        text.append(f"  = keep the data key {plan.imported_data_key.fingerprint} that the application uses today")
        text.append(f"  + copy it to {store}, written once: {settings.names.stored_data_key}")
    elif plan.stored_data_key is None:
        text.append(f"  {_first_data_key(plan)}")
        text.append(f"  + store it in {store}, written once: {settings.names.stored_data_key}")
    else:
        text.append(
            f"  = keep the data key {plan.stored_data_key.wrapped.fingerprint} "
            f"that is in {plan.stored_data_key.parameter}"
        )
        if plan.stored_data_key.store is not settings.secret_store:
            text.append(f"  + copy it to {store}, written once; the other one stays")
    for names in (of_key.names for of_key in settings.of_each_key[1:]):
        if (stored := plan.beside.get(names.variable)) is not None:
            text.append(f"  = keep the {names.noun} {stored.wrapped.fingerprint} that is in {stored.parameter}")
            continue
        text.append(f"  + generate the {names.noun} in the same way; store it, written once: {names.stored_data_key}")
        text += [f"  ! {names.value.carrying.short}"] if names.value.carrying and plan.stored_data_key else []
    for region in settings.replica_regions:
        text.append(f"  + the same wrapped data key with the replica in {region}")
    return text


def unread(plan: Plan, value: StoredValue) -> str:
    """Why a value that the application does not read does harm."""
    return f"nothing in the application's code reads {plan.settings.delivered_names[value.variable]}: {value.unread}"


def _first_data_key(plan: Plan) -> str:
    if plan.former_key is FormerKey.WRAP:
        return f"= wrap the application's {FORMER_KEY_VARIABLE} as the data key: every record stays readable"
    generated = "+ generate the data key: KMS returns only its wrapped form (GenerateDataKeyWithoutPlaintext, AES-256)"
    return generated + (f"; {NOT_READABLE}" if plan.former_key else "")


NOT_READABLE = f"it decrypts no record that is encrypted with the application's {FORMER_KEY_VARIABLE}"


def brief(plan: Plan) -> tuple[tuple[str, str], ...]:
    """The plan in a few rows, below those of the settings; `lines` has each resource."""
    changes = plan.changes
    resources = _counts(plan)
    if 0 < len(changes) <= _FEW:
        resources = "\n".join(
            f"{SIGNS.get(word(step), '?')} {_type(step)} {step.name}{_changed(step)}" for step in changes
        )
    elif changes:
        # The word after the article, the longest by the one after it: the row and its question fit on 80 by 24.
        words = (
            (part.split()[1].replace("application's", "identity"), len(steps)) for part, steps in _by_part(changes)
        )
        resources += f": {', '.join(f'{word} {count}' for word, count in words)}"
    if plan.stored_data_key is not None:
        data_key = f"{plan.stored_data_key.wrapped.fingerprint} is kept, and delivered again"
    elif plan.imported_data_key is not None:
        data_key = f"{plan.imported_data_key.fingerprint}, which the application uses today: stored, delivered"
    elif plan.former_key is FormerKey.WRAP:
        data_key = f"the application's {FORMER_KEY_VARIABLE}, wrapped by KMS: stored once, then delivered"
    else:
        data_key = "generated by KMS, stored once, then delivered" + (f"; {NOT_READABLE}" if plan.former_key else "")
    for value in (of_key.names.value for of_key in plan.settings.of_each_key[1:]):
        if value.variable not in plan.beside:
            data_key += f"; and a {value.noun}"
            data_key += f": {value.carrying.short}" if value.carrying and plan.stored_data_key else ""
    price = f"${estimate(plan.settings).monthly:.2f} a month, estimated; takes about {duration(plan)}"
    first = ((value.noun, unread(plan, value)) for value in plan.unread)
    rows = (*first, ("resources", resources), ("data key", data_key), ("cost", price))
    return tuple((f"{what:<{len('administrators')}}", value) for what, value in rows)


def duration(plan: Plan) -> str:
    """The estimated duration of the run, in whole minutes.

    A replica is the slowest: KMS copies the key's material.
    """
    seconds = 30 + 2 * len(plan.changes) + (60 * len(plan.settings.replica_regions) if plan.first else 0)
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def _by_part(steps: Iterable[Step]) -> list[tuple[str, list[Step]]]:
    """The steps by component; the engine's order mixes them."""
    by_part: dict[str, list[Step]] = {part: [] for part in PARTS.values()}
    for step in steps:
        # A URN names the types of a resource's parents: urn:pulumi:<stack>::<project>::<parent>$<type>::<name>.
        parent = step.urn.rsplit("::", 2)[-2].partition("$")[0]
        by_part.setdefault(PARTS.get(parent, "Other resources"), []).append(step)
    return [(part, members) for part, members in by_part.items() if members]


def _counts(plan: Plan) -> str:
    counts = Counter(word(step) for step in plan.changes)
    same = sum(1 for step in plan.steps if step.op == "same" and step.type.startswith("aws:"))
    texts = [f"{number} to {op}" for op, number in sorted(counts.items())]
    if same:
        texts.append(f"{same} unchanged")
    return ", ".join(texts) or "nothing to do"


def _type(step: Step) -> str:
    return step.type.rsplit(":", 1)[-1]


def word(step: Step) -> str:
    """The word for a step; one word for all steps of a replacement."""
    return WORDS.get(step.op, step.op)


def _changed(step: Step) -> str:
    return f"  ({', '.join(step.changed)})" if step.changed and word(step) in ("update", "replace") else ""


Row = tuple[str, str, str]
"""What it is, its value, and where the value comes from."""


def rows(
    settings: Settings,
    identity: Identity,
    stack: str,
    targets: Iterable[Target],
    answers: Mapping[str, Answer] | None = None,
    *,
    is_brief: bool = False,
) -> tuple[Row, ...]:
    """The rows of the summary. Without `answers` the sources are empty. `is_brief`: without what has one name only."""
    known = answers or {}
    return tuple(
        (what, value, choices.source(known.get(key)) if key else "")
        for what, value, key in _rows(settings, identity, stack, tuple(targets))
        if not (is_brief and what in ("you", "its bucket", "environment"))
    )


def _rows(
    settings: Settings, identity: Identity, stack: str, asked: tuple[Target, ...]
) -> list[tuple[str, str, str | None]]:
    return [
        *_account(settings, identity, stack),
        *_key(settings, identity),
        *_application(settings, asked),
        *_trail(settings),
    ]


def _account(settings: Settings, identity: Identity, stack: str) -> list[tuple[str, str, str | None]]:
    alias = f" ({identity.account_alias})" if identity.account_alias else ""
    stack_note = "" if stack == settings.environment else f" (stack {stack})"
    own = [] if settings.application == DEFAULT_APPLICATION else [("names", f"{settings.application}-…", "application")]
    return [
        *own,
        ("account", f"{settings.account_id}{alias}", "account"),
        ("you", f"{identity.arn}, by {identity.source}", None),
        ("region", settings.region, "region"),
        ("environment", settings.environment + stack_note, "environment"),
    ]


def _key(settings: Settings, identity: Identity) -> list[tuple[str, str, str | None]]:
    administrators = [
        *(_short(arn, identity) for arn in settings.administrators),
        *(f"roles {Arn.parse(pattern).name}" for pattern in settings.administrator_patterns),
    ]
    strict, exclusive = settings.strict_key_policy, settings.exclusive_use
    others = ", no IAM policy counts" if strict else "" if exclusive else ", and whoever IAM allows"
    use = ("the application only" if exclusive else "the application") + others
    key = f"{settings.names.alias}, rotated every {settings.rotation_period_days} days"
    table: list[tuple[str, str, str | None]] = [("key", key, "rotation_period_days")]
    if settings.multi_region:
        table.append(("replicas", ", ".join(settings.replica_regions) or "none yet", "replica_regions"))
    else:
        table.append(("multi-Region", "no (decided when the key is created)", "multi_region"))
    table.append(("administrators", ", ".join(administrators), "administrators"))
    table.append(("can use it", use, "strict_key_policy" if strict else "exclusive_use"))
    deleters = ", ".join(_short(arn, identity) for arn in settings.deletion_administrators)
    table.append(("can delete it", deleters or "nobody", "deletion_administrators"))
    if days := settings.usage_guard_days:
        responders = ", ".join(_short(arn, identity) for arn in settings.incident_responders)
        who = f"administrators, once it is unused for {days} days" + (f"; sooner {responders}" if responders else "")
        table.append(("can disable it", who, "incident_responders"))
    return table


def _application(settings: Settings, asked: tuple[Target, ...]) -> list[tuple[str, str, str | None]]:
    names = settings.names
    new = [f"role {names.app_role}"] if settings.makes_role else []
    new += [f"user {names.app_user}"] if settings.makes_user else []
    boundary = settings.permissions_boundary_arn
    limit = f"boundary {Arn.parse(boundary).name}" if boundary else "no boundary"
    app = settings.app_principal_arn or f"new {' and '.join(new)}, {limit}"
    table: list[tuple[str, str, str | None]] = [("application", app, "app_principal")]
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        table.append(("data key", f"Secrets Manager {names.stored_data_key}", "secret_store"))
    for target in deploy_targets(settings.deploy_targets):
        label, where, key = target.summary(settings)
        table.append((label, where + ("" if target.name in asked else " (set up earlier; kept as it is)"), key))
    for value in (of_key.names.value for of_key in settings.of_each_key[1:]):
        table.append((value.title, "under a key of their own", value.setting))
    if settings.record_tables:
        table.append(("its tables", ", ".join(settings.record_tables), "record_tables"))
    if settings.document_buckets:
        key = f", under {settings.names.documents_key_alias}" if settings.documents_key else ""
        table.append(("its documents", ", ".join(settings.document_buckets) + key, "document_buckets"))
    if settings.kept_as_found:
        table.append(("left as found", ", ".join(settings.kept_as_found), "repair"))
    return table


def _trail(settings: Settings) -> list[tuple[str, str, str | None]]:
    names = settings.names
    table: list[tuple[str, str, str | None]] = []
    if settings.existing_trail_arn:
        table.append(("audit trail", f"{settings.existing_trail_arn}, as it is", "trail"))
    else:
        # An imported bucket that is not repaired keeps its own retention and protection.
        is_unchanged = ImportGroup.BUCKET in settings.kept_as_found
        retention = "" if is_unchanged else f", kept {settings.trail_retention_days} days"
        protection = ["own KMS key"] if settings.trail_key else []
        protection += [f"locked ({settings.trail_lock})"] if settings.trail_lock is not ObjectLock.NONE else []
        protection += ["reads logged"] if settings.access_logging else []
        protection += ["in CloudWatch Logs too"] if settings.cloudwatch_logs else []
        table += [
            ("audit trail", f"{names.trail}{retention}", "trail"),
            ("its bucket", names.trail_bucket, "trail_bucket"),
            ("its logs", "as found" if is_unchanged else ", ".join(protection) or "plain", "trail_lock"),
        ]
    if settings.alerts:
        receivers = ", ".join(settings.alert_emails) or f"topic {names.alert_topic}, nobody subscribed"
        table.append(("alerts", receivers, "alert_emails"))
    return table


def _short(arn: str, identity: Identity) -> str:
    principal = Principal(arn=arn)
    you = " (you)" if arn == identity.principal_arn else ""
    return f"{principal.kind} {principal.name}{you}"
