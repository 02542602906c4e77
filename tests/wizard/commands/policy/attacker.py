"""An attacker with a printed policy, in an empty account or in one with the stack: what it comes to, in several steps.

Pure. The answers come from the product's evaluator; a condition that is not known counts as the attacker wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from components import policies
from components.policies import stack
from components.policies.boundary import boundary_arn_of, boundary_of
from components.policies.evaluation import (
    AccountIam,
    IamPolicy,
    IamPrincipal,
    KeyAccessDocuments,
    KeyPermission,
    evaluate_access,
)
from components.policies.evaluation.key_access import key_context
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.evaluation.trust import assume_paths
from components.policies.named_resources import ROLE, USER, named_resources
from components.policies.trail import LOGS_KEY_TAGS
from components.settings import Settings
from components.targets import ecs
from components.targets.platform import NewRole
from tests.wizard.commands.policy.attacks import (
    ADMINISTRATOR_ACCESS,
    ANYTHING,
    ATTACHING,
    BECOME,
    CREDENTIALS,
    DESTROY,
    DESTROYING,
    ELSEWHERE,
    END,
    ENDING,
    ENDS,
    GIVING,
    KEYS_OF_OTHERS,
    LOGS,
    MAKING,
    NOTHING,
    OWN_POLICIES,
    READ,
    READING,
    REWRITING,
    RULE,
    RULES,
    SERVICES,
    UNBINDING,
    Context,
    Document,
)

# --- the account


@dataclass(kw_only=True)
class Holder:
    """A user or a role."""

    arn: str
    attached: tuple[str, ...] = ()
    inline: tuple[Document, ...] = ()
    boundary: str | None = None
    trust: Document | None = None

    @property
    def kind(self) -> str:
        return "role" if ":role/" in self.arn else "user"


@dataclass(kw_only=True)
class Key:
    arn: str
    policy: Document
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    untaggable: frozenset[str] = frozenset()
    """The tags that the attacker can take away."""

    @property
    def guises(self) -> tuple[Key, ...]:
        """The key as it is, and without what the attacker can take away."""
        left = {name: value for name, value in self.tags.items() if name not in self.untaggable}
        return (self, replace(self, tags=left)) if self.untaggable else (self,)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A harm that the attacker reaches."""

    goal: str
    attack: str
    by: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.goal}: {self.attack}, as {self.by.rpartition(':')[2]} after {' > '.join(self.steps) or 'nothing'}"
        )


@dataclass(kw_only=True)
class Account:
    """Everything in the account that the attacker can act on, and as whom it can act already."""

    settings: Settings
    holders: dict[str, Holder]
    managed: dict[str, Document]
    keys: dict[str, Key]
    resources: Mapping[str, tuple[str, ...]]
    """The ARNs of what records and alerts, by the kind in ENDS."""
    application: tuple[str, ...]
    read: dict[int, IamPolicy] = field(default_factory=dict)
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The ARNs as which the attacker can act, each with the steps to it."""

    # Decisions, by the product's evaluator.

    def principal(self, arn: str) -> IamPrincipal:
        holder = self.holders[arn]
        documents = (*(self.managed[name] for name in holder.attached), *holder.inline)
        boundary = holder.boundary
        return IamPrincipal(
            arn=arn,
            policies=tuple(map(self._policy, documents)),
            boundary=self._policy(self.managed.get(boundary, NOTHING)) if boundary else None,
            trust=holder.trust,
        )

    def _policy(self, document: Document) -> IamPolicy:
        # Each document is read once; it stays in the dictionary, so that no other one gets its id.
        known = self.read.setdefault(id(document), IamPolicy(name="policy", document=document))
        return known

    @property
    def iam(self) -> AccountIam:
        return AccountIam(principals=tuple(map(self.principal, self.holders)))

    def may(self, arn: str, action: str, resource: str, context: Context | None = None) -> bool:
        principal = self.principal(arn)
        request = Request(action=action, resource=resource, context={"aws:principalarn": (arn,), **(context or {})})
        own = evaluate_policies(principal.policies, request)
        limit = evaluate_policies((principal.boundary,), request) if principal.boundary else own
        return own.is_allowed and limit.is_allowed

    def may_on_key(self, arn: str, action: str, key: Key, context: Context | None = None) -> bool:
        absent = {f"aws:resourcetag/{name.lower()}": () for name in (*self.settings.tags, *LOGS_KEY_TAGS)}
        known = {**absent, **key_context(key.arn, tags=key.tags, aliases=key.aliases), **(context or {})}
        account = self.settings.account_id
        documents = KeyAccessDocuments(
            arn=key.arn, account=account, policy=key.policy, grants=(), iam=self.iam, context=known
        )
        return evaluate_access(documents, documents.caller(arn), action).permission is not KeyPermission.NO

    # Steps.

    def attack(self, arn: str) -> tuple[Answer, ...]:
        """Every harm that whoever holds this principal reaches."""
        self.held[arn] = ()
        while True:
            before = self._state()
            for each in [*self.held]:
                for step in self._steps(each):
                    step()
            if self._state() == before:
                return tuple(self._harms())

    def _state(self) -> str:
        return repr((self.held, self.holders, self.managed, self.keys))

    def _take(self, arn: str, by: str, step: str) -> None:
        self.held.setdefault(arn, (*self.held[by], f"{step} {arn.rpartition('/')[2]}"))

    def _steps(self, by: str) -> Iterator[Any]:
        yield lambda: self._make(by)
        yield lambda: self._write(by)
        yield lambda: self._join(by)
        yield lambda: self._rewrite_keys(by)

    def _make(self, by: str) -> None:
        """Make a user or a role, or end one and make it again, under each name that may be made."""
        arn = self.settings.arn
        stack_names = [row.arn for row in named_resources(self.settings) if row.type in (ROLE, USER)]
        for name in (*stack_names, arn("iam", "role/of-the-attacker"), arn("iam", "user/of-the-attacker")):
            kind = "role" if ":role/" in name else "user"
            if name in self.holders and (name in self.held or not self.may(by, ENDING[kind], name)):
                continue
            for boundary in (None, ADMINISTRATOR_ACCESS, boundary_arn_of(self.settings)):
                if self.may(by, MAKING[kind], name, _bounded(boundary)):
                    self.holders[name] = Holder(arn=name, boundary=boundary, trust=_trusts(self.held))
                    if kind == "role":
                        self._take(name, by, "make")
                    break

    def _write(self, by: str) -> None:
        """Write policies: new ones, new content of those that exist, policies of a principal's own, its boundary."""
        for name in _policy_arns(self.settings):
            if name not in self.managed and self.may(by, "iam:CreatePolicy", name):
                self.managed[name] = ANYTHING
        for name in [*self.managed]:
            is_rewritten = any(self.may(by, action, name) for action in REWRITING)
            is_remade = self.may(by, "iam:DeletePolicy", name) and self.may(by, "iam:CreatePolicy", name)
            if name != ADMINISTRATOR_ACCESS and (is_rewritten or is_remade):
                self.managed[name] = ANYTHING
        for holder in self.holders.values():
            bounded = _bounded(holder.boundary)
            if ANYTHING not in holder.inline and any(
                self.may(by, action, holder.arn, bounded) for action in OWN_POLICIES[holder.kind]
            ):
                holder.inline = (*holder.inline, ANYTHING)
            for name in [*self.managed]:
                if name not in holder.attached and any(
                    self.may(by, action, holder.arn, {**bounded, "iam:policyarn": (name,)})
                    for action in ATTACHING[holder.kind]
                ):
                    holder.attached = (*holder.attached, name)
            delete, put = UNBINDING[holder.kind]
            if holder.boundary and self.may(by, delete, holder.arn, bounded):
                holder.boundary = None
            if holder.boundary and self.may(by, put, holder.arn, _bounded(ADMINISTRATOR_ACCESS)):
                holder.boundary = ADMINISTRATOR_ACCESS

    def _join(self, by: str) -> None:
        """Act as another principal: by credentials, by its trust, by a service that it is passed to."""
        for holder in [*self.holders.values()]:
            if holder.arn in self.held:
                continue
            if holder.kind == "user":
                for action in CREDENTIALS:
                    if self.may(by, action, holder.arn):
                        self._take(holder.arn, by, action)
                continue
            if self.may(by, "iam:UpdateAssumeRolePolicy", holder.arn):
                self._take(holder.arn, by, "trust of")
            paths, _ = assume_paths(self.principal(holder.arn), self.iam, account=self.settings.account_id)
            if any(path.principal == by for path in paths):
                self._take(holder.arn, by, "assume")
            for service, actions in SERVICES.items():
                passed = self.may(by, "iam:PassRole", holder.arn, {"iam:passedtoservice": (service,)})
                if passed and all(self._can_anywhere(by, action) for action in actions):
                    self._take(holder.arn, by, f"pass to {service}")

    def _can_anywhere(self, by: str, action: str) -> bool:
        """Whether it may do the action on a resource that its own policies name."""
        statements = [each for policy in self.principal(by).policies for each in policy.statements if each.allows]
        named = {resource for each in statements for resource in each.resources or ()}
        return any(self.may(by, action, resource) for resource in named)

    def _rewrite_keys(self, by: str) -> None:
        for key in self.keys.values():
            tags = {f"aws:requesttag/{name.lower()}": (value,) for name, value in self.settings.tags.items()}
            asked = {**tags, "aws:tagkeys": tuple(self.settings.tags)}
            if self.may_on_key(by, "kms:TagResource", key, asked):
                key.tags = {**key.tags, **self.settings.tags}
            for name in self.settings.tags:
                if self.may_on_key(by, "kms:UntagResource", key, {"aws:tagkeys": (name,)}):
                    key.untaggable |= {name}
            if self.may_on_key(by, "kms:PutKeyPolicy", key):
                allowed = {"Effect": "Allow", "Principal": {"AWS": [*self.held]}, "Action": "kms:*", "Resource": "*"}
                root = policies.documents.account_root_statement(account_id=self.settings.account_id)
                key.policy = policies.policy([root, allowed])

    # Harms.

    def _harms(self) -> Iterator[Answer]:
        for arn, steps in self.held.items():
            for goal, attack in self._harms_as(arn):
                yield Answer(goal=goal, attack=attack, by=arn, steps=steps)

    def _harms_as(self, arn: str) -> Iterator[tuple[str, str]]:
        is_application = arn in self.application
        if is_application:
            yield BECOME, "act as it"
        yield from self._reads(arn, is_application)
        for harm in ENDS:
            key = self.keys.get(harm.of)
            for action in harm.actions:
                if key is not None and self.may_on_key(arn, action, key):
                    yield END, f"{action} of {harm.of}"
                elif any(self.may(arn, action, each) for each in self.resources.get(harm.of, ())):
                    yield END, action
        for copy, resource in self._copies():
            for action, context in DESTROYING:
                if self.may(arn, action, resource, context):
                    yield DESTROY, f"{action} of {copy}"
        for action, rest, context in RULES:
            if self.may(arn, action, self.settings.arn("iam", self._filled(rest)), self._context(context)):
                yield RULE, action
        for action, resource, context in ELSEWHERE:
            if self.may(arn, action, self._filled(resource), self._context(context)):
                yield RULE, action

    def _reads(self, arn: str, is_application: bool) -> Iterator[tuple[str, str]]:
        if is_application and any(self.may(arn, action, each) for action, each in self._stored()):
            yield READ, "the stored key, and decrypt it"
        for name, key in self.keys.items():
            requests = LOGS if name == "logs' key" else {"": {}}
            for how, context in requests.items():
                for action in READING:
                    # That the application decrypts is not another harm.
                    if not (is_application and name == "key") and any(
                        self.may_on_key(arn, action, each, self._context(context)) for each in key.guises
                    ):
                        yield READ, f"{action} with {name} {how}".strip()
            for action in GIVING:
                if self.may_on_key(arn, action, key):
                    yield READ, f"{action} of {name}"
            for action in KEYS_OF_OTHERS if name not in ("key", "logs' key") else ():
                asked = {f"aws:requesttag/{tag.lower()}": (value,) for tag, value in self.settings.tags.items()}
                if self.may_on_key(arn, action, key, asked):
                    yield RULE, f"{action} of {name}"

    def _stored(self) -> Iterator[tuple[str, str]]:
        settings = self.settings
        for variable in settings.wrapped_keys:
            name = f"{settings.names.parameter_prefix}/{variable}"
            yield "ssm:GetParameters", settings.arn("ssm", f"parameter{name}", region=settings.region)
            yield (
                "secretsmanager:GetSecretValue",
                settings.arn("secretsmanager", f"secret:{name}-AbCdEf", region=settings.region),
            )

    def _copies(self) -> Iterator[tuple[str, str]]:
        """Where the wrapped keys are, in each Region, by the kind of the copy."""
        in_secrets = self.settings.secret_store == "secrets-manager"
        service, form = ("secretsmanager", "secret:{}-AbCdEf") if in_secrets else ("ssm", "parameter{}")
        for each in self.settings.of_each_key:
            names = {
                "the stored key": each.names.stored_data_key,
                "a version": f"{each.names.versions}/0123456789abcdef",
                "a new version": f"{each.names.versions}/new/1",
            }
            for copy, name in names.items():
                for region in self.settings.regions:
                    yield copy, self.settings.arn(service, form.format(name), region=region)

    def _filled(self, text: str) -> str:
        settings = self.settings
        return text.format(
            account=settings.account_id,
            region=settings.region,
            names=settings.names,
            boundary=boundary_arn_of(settings),
            topic=settings.arn("sns", settings.names.alert_topic),
            environment=settings.environment.capitalize(),
            email=next(iter(settings.alert_emails), ""),
            cluster=settings.ecs_cluster,
        )

    def _context(self, context: Context) -> Context:
        return {key: tuple(map(self._filled, values)) for key, values in context.items()}


def _bounded(boundary: str | None) -> Context:
    return {"iam:permissionsboundary": (boundary,) if boundary else ()}


def _trusts(held: Iterable[str]) -> Document:
    return policies.policy([{"Effect": "Allow", "Principal": {"AWS": [*held]}, "Action": "sts:AssumeRole"}])


def _policy_arns(settings: Settings) -> list[str]:
    return [
        settings.arn("iam", f"policy/{name}")
        for name in (
            settings.names.app_policy,
            settings.names.parameter_policy,
            settings.names.secret_policy,
            settings.names.boundary,
            "OfTheAttacker",
        )
    ]


# --- two accounts: an empty one, and one with the stack


def empty_account(settings: Settings, attacker: Holder) -> Account:
    """What others have in the account, the boundary that an administrator made, and the attacker."""
    arn = settings.arn
    root = policies.documents.account_root_statement(account_id=settings.account_id)
    root_trust = policies.policy([{"Effect": "Allow", "Principal": root["Principal"], "Action": "sts:AssumeRole"}])
    to_lambda = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    holders = [
        attacker,
        Holder(arn=arn("iam", "user/somebody"), attached=(ADMINISTRATOR_ACCESS,)),
        Holder(arn=arn("iam", "role/somebodys-admin"), attached=(ADMINISTRATOR_ACCESS,), trust=root_trust),
        Holder(
            arn=arn("iam", "role/somebodys-function"),
            attached=(ADMINISTRATOR_ACCESS,),
            trust=policies.policy([to_lambda]),
        ),
    ]
    delegating = policies.policy([root])
    others = {**settings.tags, "Environment": "Another"}
    keys = {
        "another environment's key": Key(
            arn=arn("kms", "key/another", region=settings.region),
            policy=delegating,
            tags=others,
            aliases=("alias/eonpro-phi-key-another",),
        ),
        "another application's key": Key(
            arn=arn("kms", "key/payroll", region=settings.region),
            policy=delegating,
            tags={**settings.tags, "Application": "Payroll"},
            aliases=("alias/payroll",),
        ),
        "somebody's key": Key(
            arn=arn("kms", "key/somebodys", region=settings.region), policy=delegating, aliases=("alias/somebodys",)
        ),
    }
    managed = {
        ADMINISTRATOR_ACCESS: ANYTHING,
        arn("iam", "policy/Somebodys"): ANYTHING,
        boundary_arn_of(settings): boundary_of(settings),
    }
    return Account(
        settings=settings,
        holders={holder.arn: holder for holder in holders},
        managed=managed,
        keys=keys,
        resources={},
        application=(),
    )


def deployed_account(settings: Settings, attacker: Holder) -> Account:
    """The same account with everything that the stack makes."""
    account = empty_account(settings, attacker)
    names, arn = settings.names, settings.arn
    key_arns = [arn("kms", "key/mrk-phi" if settings.multi_region else "key/phi", region=r) for r in settings.regions]
    app_policy = arn("iam", f"policy/{names.app_policy}")
    account.managed[app_policy] = policies.application_policy(key_arns=key_arns)
    bound = boundary_arn_of(settings)
    trust = stack.application_trust_of(settings)
    made = {row.arn for row in named_resources(settings) if row.is_made and row.type in (ROLE, USER)}

    def add(name: str, *, bounded: bool = True, **parts: Any) -> None:
        account.holders[name] = Holder(arn=name, boundary=bound if bounded else None, **parts)

    for each in settings.app_principal_arns:
        of_stack = each in made
        add(each, bounded=of_stack, attached=(app_policy,), trust=trust if ":role/" in each else None)
    if settings.uses_store:
        name, document = stack.reading_policy_of(settings)
        account.managed[arn("iam", f"policy/{name}")] = document
        for reader in stack.readers_of(settings):
            role = reader.role
            inline = (role.inline_policy[1],) if isinstance(role, NewRole) and role.inline_policy else ()
            trusted = role.trust if isinstance(role, NewRole) else ecs.execution_trust_policy()
            attached = (arn("iam", f"policy/{name}"),)
            add(reader.arn, bounded=reader.arn in made, attached=attached, inline=inline, trust=trusted)
    for role_name, (role_trust, document) in (
        (names.log_role, stack.log_role_policies_of(settings)),
        (names.forwarding_role, stack.forwarding_policies_of(settings)),
    ):
        if (role_arn := arn("iam", f"role/{role_name}")) in made:
            add(role_arn, inline=(document,), trust=role_trust)
    account.keys["key"] = Key(
        arn=key_arns[0],
        policy=stack.key_policy_of(settings),
        tags=dict(settings.tags),
        aliases=(names.alias,),
    )
    bucket = arn("s3", names.trail_bucket)
    resources: dict[str, tuple[str, ...]] = {
        "trail": (stack.trail_arn_of(settings),),
        "bucket": (bucket,),
        "logs": (f"{bucket}/AWSLogs/{settings.account_id}/log.json.gz",),
    }
    if settings.makes_trail and settings.trail_key:
        account.keys["logs' key"] = Key(
            arn=arn("kms", "key/logs", region=settings.region),
            policy=stack.trail_key_policy_of(settings),
            tags={**settings.tags, **LOGS_KEY_TAGS},
            aliases=(names.trail_key_alias,),
        )
    if settings.makes_trail and stack.logs_to_cloudwatch(settings):
        group = stack.log_group_arn_of(settings)
        resources["log group"] = (group, f"{group}:*")
        resources["log stream"] = (f"{group}:log-stream:{settings.account_id}_CloudTrail_{settings.region}",)
    if settings.alerts:
        topic = arn("sns", names.alert_topic, region=settings.region)
        rules = (arn("events", f"rule/{rule.name}", region=rule.region) for rule in stack.alert_rules_of(settings))
        resources |= {
            "rule": tuple(rules),
            "event bus": (arn("events", "event-bus/default", region=settings.region),),
            "topic": (topic,),
            "subscription": (f"{topic}:5c1e6f1e",),
            "alarm": (arn("cloudwatch", f"alarm:{names.denied_use_rule}", region=settings.region),),
        }
    account.resources, account.application = resources, tuple(settings.app_principal_arns)
    return account
