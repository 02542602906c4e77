"""From doors to values: whose credentials these are, then every input in order, asked only where no door gave it.

Pure: asks the terminal and reads the cloud through their Protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.contract import Target
from wizard.answers import Answer, missing, missing_error
from wizard.errors import CredentialsError, PermissionDenied, SetupError, Unsupported
from wizard.facts import Identity, Linked, Mark, Principal, TrailFact, VercelProject
from wizard.protocols import Cloud, Hosting, Talk
from wizard.questions import CALLER, CREATE, INPUTS, Choice, Input, by_key
from wizard.trail_requirements import gaps


@dataclass(frozen=True, kw_only=True)
class Interview:
    """The values, and who the credentials belong to; or the error that kept it from being known."""

    values: Mapping[str, Any] = field(repr=False)
    cloud: Cloud | None
    identity: Identity | SetupError


class Interviewer:
    """One interview: keeps the values so far and the edges that give choices and check answers."""

    def __init__(
        self,
        *,
        stack: str,
        answers: Mapping[str, Answer],
        talk: Talk,
        connect: Callable[[str | None, str | None], Cloud],
        hosting: Callable[[str], Hosting],
        linked: Linked | None,
    ) -> None:
        self._stack = stack
        self._values: dict[str, Any] = {key: answer.value for key, answer in answers.items()}
        self._talk = talk
        self._connect = connect
        self._hosting = hosting
        self._linked = linked

    def run(self) -> Interview:
        """Raises MissingAnswers, with all of them, where nobody can be asked."""
        values, talk = self._values, self._talk
        # The stack is named after its environment; nobody needs to say it twice.
        values.setdefault("environment", self._stack.rsplit("/", 1)[-1])
        cloud = self._connected()
        if not talk.interactive:
            self._detect(cloud)
            self._default()
            if lacking := missing(values):
                raise missing_error(lacking)
        identity = self._identify(cloud)
        if talk.interactive and not isinstance(cloud, SetupError) and isinstance(identity, Identity):
            self._show(identity, cloud)
            for each in INPUTS:
                if (
                    each.key == "vercel_team"
                    and self._linked
                    and each.needed(values)
                    and not values.get("vercel_token")
                ):
                    # The link holds ids only: with the token first, their names can be offered.
                    values["vercel_token"] = self._ask(by_key["vercel_token"], cloud, identity)
                if each.asked and each.key not in values and each.needed(values):
                    values[each.key] = self._ask(each, cloud, identity)
                    if each.key == "region":
                        cloud = cloud.with_region(values["region"])
            self._default()
        return Interview(values=values, cloud=None if isinstance(cloud, SetupError) else cloud, identity=identity)

    def _default(self) -> None:
        for each in INPUTS:
            if each.default is not None and each.key not in self._values:
                self._values[each.key] = each.default

    def _connected(self) -> Cloud | SetupError:
        """Credentials and Region, resolved without asking any service; a person may choose the profile."""
        values = self._values
        try:
            cloud = self._connect(values.get("profile"), values.get("region"))
            undecided = not values.get("profile") and not cloud.profile and not cloud.has_environment_credentials
            if self._talk.interactive and undecided and len(names := cloud.profiles()) > 1:
                choices = [Choice(value=name, title=name) for name in names]
                values["profile"] = self._talk.ask(by_key["profile"].question(choices))
                cloud = self._connect(values["profile"], values.get("region"))
            return cloud
        except SetupError as error:
            return self._unless_asked(error)

    def _identify(self, cloud: Cloud | SetupError) -> Identity | SetupError:
        if isinstance(cloud, SetupError):
            return cloud
        self._talk.working("asking AWS whose credentials these are")
        try:
            return cloud.identify()
        except SetupError as error:
            return self._unless_asked(error)

    def _unless_asked(self, error: SetupError) -> SetupError:
        """Where a person is there, the run ends at once: nothing can be asked about an account that is not known.
        Where nobody is, the error is told later, together with whatever else is wrong."""
        if self._talk.interactive:
            raise error
        return error

    def _detect(self, cloud: Cloud | SetupError) -> None:
        """What the environment says where nobody can be asked: the Region in use, the linked project."""
        if not isinstance(cloud, SetupError) and cloud.region_source:
            self._values.setdefault("region", cloud.region)
        wanted = [name for name in ("vercel_team", "vercel_project") if by_key[name].needed(self._values)]
        if any(name not in self._values for name in wanted) and (project := self._linked_project()):
            if project.team_slug:
                self._values.setdefault("vercel_team", project.team_slug)
            self._values.setdefault("vercel_project", project.name)

    def _show(self, identity: Identity, cloud: Cloud) -> None:
        alias = f" ({identity.account_alias})" if identity.account_alias else ""
        self._talk.section("Who you are")
        self._talk.line(f"account {identity.account_id}{alias}", mark=Mark.OK)
        self._talk.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
        for disagreement in cloud.disagreements:
            self._talk.line(disagreement, mark=Mark.WARN)

    # --- one question ------------------------------------------------------------------------------------------

    def _ask(self, each: Input, cloud: Cloud, identity: Identity) -> Any:
        if each.key == "account":
            alias = f" ({identity.account_alias})" if identity.account_alias else ""
            if self._talk.confirm(f"Set up in the account {identity.account_id}{alias}?", default=True, why=each.why):
                return identity.account_id
        if each.key == "administrators":
            return self._administrators(each, cloud, identity)
        if each.key == "vercel_token":
            return self._token(each)
        choices, default = self._offer(each, cloud)
        return each.parse(self._talk.ask(each.question(choices, default)))

    def _offer(self, each: Input, cloud: Cloud) -> tuple[tuple[Choice, ...], str | tuple[str, ...] | None]:
        if each.key in ("region", "trail"):
            self._talk.working(f"asking AWS for the account's {each.key}s")
        if each.key == "region":
            return _regions(cloud), cloud.region if cloud.region_source else None
        if each.key == "trail":
            return _trails(cloud), CREATE
        if each.key in ("app_principal", "ecs_execution_role"):
            return (), CREATE
        if each.key == "replica_regions":
            own = self._values.get("region")
            return tuple(choice for choice in _regions(cloud) if choice.value != own and not choice.disabled), None
        if each.key == "vercel_access":
            return (), "oidc"
        if each.key == "target" and self._linked:
            return (), (Target.VERCEL,)
        if each.key in ("vercel_team", "vercel_project") and (project := self._linked_project()):
            return (), project.team_slug if each.key == "vercel_team" else project.name
        return (), None

    def _administrators(self, each: Input, cloud: Cloud, identity: Identity) -> tuple[str, ...]:
        caller = identity.principal_arn
        self._talk.working("asking AWS for the account's users and roles")
        choices = [Choice(value=caller, title=_title(caller), note="you", checked=True)]
        choices += [
            Choice(value=principal.arn, title=_title(principal.arn))
            for principal in _listed(cloud.list_principals)
            if principal.arn != caller
        ]
        while True:
            arns = each.parse(self._talk.ask(each.question(choices, (caller,))))
            absent = [arn for arn in arns if arn not in (caller, CALLER) and not _may_exist(cloud, arn)]
            if not absent:
                return tuple(caller if arn == CALLER else arn for arn in arns)
            for arn in absent:
                self._talk.line(f"{arn} does not exist in this account; choose again", mark=Mark.FAIL)

    def _token(self, each: Input) -> str:
        while True:
            token: str = each.parse(self._talk.ask(each.question()))
            team, project = self._values.get("vercel_team"), self._values.get("vercel_project")
            if self._linked and not (team and project):
                team, project = self._linked.team_id, self._linked.project_id
            linked = self._linked is not None and team == self._linked.team_id
            try:
                if team and project:
                    self._talk.working("asking Vercel")
                    self._hosting(token).find_project(team, project)
            except CredentialsError as error:
                if linked and isinstance(error, PermissionDenied):
                    # A good token of another team: the folder's link is only a default, and is not offered then.
                    self._linked = None
                    return token
                self._talk.error(error)
                continue
            except SetupError:
                pass  # No fault of the token's: the pass before the plan tells it along with everything else.
            return token

    def _linked_project(self) -> VercelProject | None:
        token = self._values.get("vercel_token")
        if self._linked is None or self._linked.team_id is None or not token:
            return None
        try:
            return self._hosting(token).find_project(self._linked.team_id, self._linked.project_id)
        except SetupError:
            return None  # A default that cannot be had is no error; the question stays.


def _may_exist(cloud: Cloud, arn: str) -> bool:
    """False only for a principal that IAM says is not there; the pass before the plan tells what could not be asked."""
    try:
        return cloud.find_principal(arn) is not None
    except (PermissionDenied, Unsupported):
        return True


def _regions(cloud: Cloud) -> tuple[Choice, ...]:
    # Those that can be chosen first: half of the list may be off.
    return tuple(
        Choice(value=fact.name, title=fact.name, disabled=None if fact.enabled else "off in this account")
        for fact in sorted(_listed(cloud.list_regions), key=lambda fact: not fact.enabled)
    )


def _trails(cloud: Cloud) -> tuple[Choice, ...]:
    return tuple(
        Choice(value=trail.arn, title=f"Use {trail.name}", note=_lacks(trail) or f"writes to {trail.bucket}")
        for trail in _listed(cloud.list_trails)
        if trail.multi_region
    )


def _lacks(trail: TrailFact) -> str:
    found = gaps(trail, None)
    return "; ".join(gap.what for gap in found)


def _listed(call: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
    """What can be offered; nothing where the caller may not list it, for then it can still be typed."""
    try:
        return call()
    except (PermissionDenied, Unsupported):
        return ()


def _title(arn: str) -> str:
    principal = Principal(arn=arn)
    return f"{principal.kind} {principal.name}"
