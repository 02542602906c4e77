"""The environment variables of one Vercel project: list, read, set as a batch, comment, rename, restore, remove.

Touches the network through `wizard/vercel/http.py` only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from components.settings import VariableNames
from wizard.core.call_limit import Pages
from wizard.core.data_key import FINGERPRINT
from wizard.core.errors import PermissionDenied, SetupError, TargetMissing, Unreachable
from wizard.core.models.access import VariableEntry
from wizard.core.models.delivery import FORMER_KEY_VARIABLES
from wizard.core.models.vercel import Scope, VercelProject, VercelVariable
from wizard.core.next_command import Command, shell
from wizard.core.retry import Deadline, Reason, together
from wizard.vercel import answers, projects
from wizard.vercel.http import ITSELF, Api, Endpoint, Response, scope_of
from wizard.vercel.variable_state import MARK, ListedVariable, Read, is_changed, recorded_value

MAX_PAGES = 100
"""Most pages of variables that are read: an environment has at most 1,000 variables.

https://vercel.com/docs/environment-variables#environment-variable-size
"""


class Variables:
    """The variables of one project, for one operation: all its requests share `deadline`."""

    def __init__(self, api: Api, project: VercelProject, deadline: Deadline) -> None:
        self._api, self._project, self.deadline = api, project, deadline
        self._scope = scope_of(project)

    def with_new_timeout(self, seconds: float) -> "Variables":
        """The variables of the project for another operation of so many seconds at most."""
        return Variables(self._api, self._project, self._api.deadline(seconds))

    @cached_property
    def scope(self) -> Scope:
        """The environment that is meant, a custom one with its id. Raises TargetMissing where the project lacks it."""
        scope = self._project.scope
        if scope.is_custom and scope.custom_id is None:
            answer = self._environments()
            if not answer.ok:
                raise self._api.refusal(answer, f"list the environments of {self.owner}")
            names = _names(answer)
            ids = [id for id, name in names.items() if name == scope.environment]
            if not ids:
                raise TargetMissing(
                    f"the {self.owner} has no environment {scope.environment}; it has "
                    + ", ".join(("production", "preview", *sorted(names.values()))),
                    self._creation(scope.environment),
                )
            scope = replace(scope, custom_id=ids[0])
            # Threads do not share a deadline: what is read again by `with_new_timeout` knows it already.
            self._project = self._project.at(scope)
        return scope

    @property
    def names(self) -> VariableNames:
        """The names of the stack's variables in the project."""
        return self._project.variable_names

    @property
    def owner(self) -> str:
        """The project in words: `Vercel project team/name`."""
        team = self._project.team_slug or self._project.team_id
        return f"Vercel project {team}/{self._project.name}" if team else f"Vercel project {self._project.name}"

    def list(self) -> tuple[ListedVariable, ...]:
        """All of them, page after page. Raises SetupError for a listing that cannot be read."""
        listed: dict[str, ListedVariable] = {}
        query = dict(self._scope)
        name = f"the listing of the variables of {self.owner}"
        pages = Pages(name=name, deadline=self.deadline, most=MAX_PAGES, hint=ITSELF)
        while True:
            pages.ask(query.get("until", ""))
            page = self._page(query)
            fresh = {entry.id: entry for entry in projects.read_listing(page) if entry.id not in listed}
            listed.update(fresh)
            # An endpoint without `until` returns the first page again: nothing is new, so it ends.
            if page.next_page is None or not fresh:
                return tuple(listed.values())
            query["until"] = page.next_page

    def _page(self, query: Mapping[str, str]) -> answers.VariableListing:
        answer = self._api.persist(
            "GET", Endpoint.VARIABLES.path(project=self._project.id), query=query, deadline=self.deadline
        )
        if answer.status in (404, 405, 501):
            # Some endpoints only have an older version of the listing.
            answer = self._api.persist(
                "GET", Endpoint.OLDER_VARIABLES.path(project=self._project.id), query=query, deadline=self.deadline
            )
        if answer.status == 404:
            hint = "check the project's name, then run the same command again"
            raise SetupError(f"there is no {self.owner} ({answer.reported})", hint)
        if not answer.ok:
            raise self._api.refusal(answer, f"list the variables of {self.owner}")
        return answer.read(answers.VariableListing)

    def decrypt(self, variable: VercelVariable) -> str | None:
        """The value of one variable; None where it is unknown."""
        return _value(self._details(variable))

    def decrypt_or_empty(self, variable: VercelVariable) -> str | None:
        """The value of one variable, empty where Vercel says so; None where it is unknown."""
        read = self._details(variable)
        is_empty = read.value == "" and read.decrypted is True and read.type != "sensitive"
        return "" if is_empty else _value(read)

    def _details(self, variable: VercelVariable) -> answers.Value:
        path = Endpoint.VARIABLE_VALUE.path(project=self._project.id, id=variable.id)
        answer = self._api.persist("GET", path, query=self._scope, deadline=self.deadline)
        return answer.read(answers.Value) if answer.ok else answers.Value()

    def shared(self) -> tuple[ListedVariable, ...]:
        """The team's shared variables that are linked to the project; none where they cannot be listed.

        The project's own variable takes precedence over a shared one of the same name and environment
        (https://vercel.com/docs/environment-variables/shared-environment-variables).
        """
        if not self._scope:
            return ()
        query = {**self._scope, "projectId": self._project.id}
        answer = self._api.persist("GET", Endpoint.SHARED_VARIABLES.path(), query=query, deadline=self.deadline)
        return projects.read_shared(answer.read(answers.SharedListing), self._project.id) if answer.ok else ()

    def decrypt_shared(self, variable: VercelVariable) -> str | None:
        """The value of one shared variable; None where it is unknown."""
        answer = self._api.persist(
            "GET", Endpoint.SHARED_VARIABLE.path(id=variable.id), query=self._scope, deadline=self.deadline
        )
        return _value(answer.read(answers.Value)) if answer.ok else None

    def _environments(self) -> Response:
        path = Endpoint.CUSTOM_ENVIRONMENTS.path(project=self._project.id)
        return self._api.persist("GET", path, query=self._scope, deadline=self.deadline)

    def _creation(self, slug: str) -> Command:
        """The command that creates a custom environment (https://vercel.com/docs/rest-api/environment)."""
        path = Endpoint.CUSTOM_ENVIRONMENTS.path(project=self._project.id)
        team = ("--scope", self._project.team_slug) if self._project.team_slug else ()
        call = shell("vercel", "api", path, "--method", "POST", "--input", "-", *team)
        return Command(shell("echo", json.dumps({"slug": slug})), " | ", call, advice="creates it")

    def custom_environments(self) -> Mapping[str, str]:
        """The name of each of the project's custom environments by its id; empty where they cannot be listed."""
        answer = self._environments()
        return _names(answer) if answer.ok else {}

    def edit(self, variable: VercelVariable, fields: Mapping[str, Any]) -> None:
        """Change a variable's name, environments or comment; its value stays. Raises SetupError where Vercel refuses.

        https://vercel.com/docs/rest-api/projects/edit-an-environment-variable
        """
        path = Endpoint.VARIABLE.path(project=self._project.id, id=variable.id)
        answer = self._api.attempt("PATCH", path, query=self._scope, content=dict(fields))
        if not answer.ok:
            raise self._api.refusal(answer, f"change a variable of {self.owner}")

    def restore(self, variable: VercelVariable, value: str) -> None:
        """The value and the comment that a variable had before; its type and environments stay.

        Raises SetupError where Vercel refuses.
        """
        content = {"value": value, "comment": variable.comment}
        path = Endpoint.VARIABLE.path(project=self._project.id, id=variable.id)
        answer = self._api.persist("PATCH", path, query=self._scope, content=content, deadline=self.deadline)
        if not answer.ok:
            raise self._api.refusal(answer, f"restore a variable of {self.owner}")

    def remove(self, variable: VercelVariable) -> None:
        """Delete a variable; one that no longer exists is no error. Raises SetupError where Vercel refuses.

        https://vercel.com/docs/rest-api/projects/remove-an-environment-variable
        """
        path = Endpoint.VARIABLE.path(project=self._project.id, id=variable.id)
        answer = self._api.persist("DELETE", path, query=self._scope, deadline=self.deadline)
        if not answer.ok and answer.status != 404:
            raise self._api.refusal(answer, f"remove a variable of {self.owner}")

    def reader(self, listed: Sequence[ListedVariable] = ()) -> Read:
        """A function that reads values, and asks for each only once; for all of the three in the scope together.

        Of a variable that has not changed since an earlier operation of this client the value is known.
        """
        values: dict[str, str | None] = {}
        three = [
            entry
            for entry in listed
            if entry.key in self.names.every and entry.type != "sensitive" and self.scope.sees(entry)
        ]

        def ask(entry: ListedVariable) -> str | None:
            if entry.value or (known := self._api.values.get(entry.stamp)):
                return entry.value or known
            # Threads do not share a deadline.
            value = self.with_new_timeout(self.deadline.left).decrypt_or_empty(entry)
            if value and entry.updated_at is not None:
                self._api.values[entry.stamp] = value
            return value

        def read(entry: ListedVariable) -> str | None:
            if entry.id not in values:
                asked = three if entry in three else [entry]
                answers = together(*(partial(ask, other) for other in asked))
                values.update(zip((other.id for other in asked), answers, strict=True))
            return values[entry.id]

        return read

    def create(self, batch: Sequence[Mapping[str, Any]]) -> Response:
        """Create a batch in one POST, not repeated; Vercel refuses a variable that exists already.

        Raises Unreachable without an answer.
        """
        path = Endpoint.VARIABLES.path(project=self._project.id)
        return self._api.attempt("POST", path, query=self._scope, content=[*batch])

    def update(self, id: str, content: Mapping[str, Any]) -> Response:
        """Set the value, the type and the comment of one variable, not repeated. Raises Unreachable without an answer.

        https://vercel.com/docs/rest-api/projects/edit-an-environment-variable
        """
        path = Endpoint.VARIABLE.path(project=self._project.id, id=id)
        return self._api.attempt("PATCH", path, query=self._scope, content=dict(content))

    def refusal(self, answer: Response) -> SetupError:
        """The error for an answer to `create` or `update`."""
        return self._api.refusal(answer, f"set the variables of {self.owner}")


def _names(answer: Response) -> Mapping[str, str]:
    """The name of each custom environment by its id."""
    environments = answer.read(answers.Environments).environments
    return {entry.id: entry.slug for entry in environments if entry.id and entry.slug}


def _value(read: answers.Value) -> str | None:
    # An empty value may be one that Vercel does not return: it proves nothing.
    return read.value or None if read.decrypted is not False else None


_DEFINITIVE = frozenset({"BAD_REQUEST", "bad_request", "forbidden"})
_CONFLICT = "ENV_CONFLICT"
"""The variable exists already: another run or a person created it after the listing."""


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """The result of one write."""

    is_accepted: bool = False
    ids: tuple[str, ...] = ()
    """IDs of the variables that Vercel says it created."""
    words: str = ""
    """Vercel's own, which may quote a value."""
    retry_after: float | None = None
    """Seconds."""
    reason: Reason = Reason.CONSISTENCY
    """Why the same request may succeed later."""
    definitive: bool = False
    """Whether a repeat cannot help."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One variable to write: a new one, or an existing one whose value, type and comment change."""

    existing: VercelVariable | None
    content: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(
        cls,
        existing: VercelVariable | None,
        *,
        key: str,
        value: str,
        type: str,
        comment: str,
        scope: Scope,
    ) -> "Change":
        """The change of a variable for this scope only. A sensitive variable stays sensitive."""
        kind = "sensitive" if existing is not None and existing.type == "sensitive" else type
        content = {"key": key, "value": value, "type": kind, "comment": comment, **scope.fields}
        return cls(existing=existing, content=content)


def write(variables: Variables, changes: Sequence[Change]) -> WriteResult:
    """Create the new variables in one POST, update the others by id; ends with the first that Vercel did not accept.

    Nothing is created over an existing variable, so what another run created after the listing stays. The first
    change is written first. Raises CredentialsError and PermissionDenied; other failures are in the result.
    """
    new = [change.content for change in changes if change.existing is None]
    steps = [
        partial(variables.update, change.existing.id, change.content)
        for change in changes
        if change.existing is not None
    ]
    requests: list[Callable[[], Response]] = [*steps]
    if new:
        requests.insert(0 if changes[0].existing is None else len(requests), partial(variables.create, new))
    ids: tuple[str, ...] = ()
    for request in requests:
        result = _send(variables, request)
        ids += result.ids
        if not result.is_accepted:
            return replace(result, ids=ids)
    return WriteResult(is_accepted=True, ids=ids)


def _send(variables: Variables, request: Callable[[], Response]) -> WriteResult:
    """Send one request, without a repeat."""
    try:
        answer = request()
        return _accepted(answer) if answer.ok else _refused(variables, answer)
    except Unreachable as error:
        # The next listing shows whether it was stored.
        return WriteResult(words=error.message, reason=Reason.NETWORK)


def _accepted(answer: Response) -> WriteResult:
    written = answer.read(answers.Written)
    words = "; ".join(
        f"{each.env_var_key or each.key or 'a variable'}: {each.code or ''} {each.message or ''}".strip()
        for each in written.failed
    )
    # One entry that Vercel never accepts is enough: the batch cannot be completed.
    final = any(each.code in _DEFINITIVE for each in written.failed)
    ids = tuple(each.id for each in written.created if each.id)
    return WriteResult(is_accepted=not written.failed, ids=ids, words=words, definitive=final)


def _refused(variables: Variables, answer: Response) -> WriteResult:
    if answer.is_temporary:
        return WriteResult(words=answer.words, retry_after=answer.retry_after, reason=answer.reason)
    # Created or deleted by somebody else after the listing: the next one shows what is there.
    if answer.error.get("code") == _CONFLICT or answer.status == 404:
        return WriteResult(words=answer.words)
    error = variables.refusal(answer)
    if answer.bad_token or isinstance(error, PermissionDenied):
        raise error
    return WriteResult(words=answer.words, definitive=True)


def list_entries(variables: Variables) -> tuple[VariableEntry, ...]:
    """Every entry of the variables and of a former key, in all environments; the value of that one is not read."""
    listed = variables.list()
    names = (*variables.names.every, *FORMER_KEY_VARIABLES)
    read = variables.reader(listed)
    return tuple(_to_entry(variables, entry, listed, read) for entry in listed if entry.key in names)


def _to_entry(
    variables: Variables, entry: ListedVariable, listed: tuple[ListedVariable, ...], read: Read
) -> VariableEntry:
    claim = FINGERPRINT.search(entry.comment)
    # The data keys of other environments are not read.
    is_seen = variables.scope.sees(entry)
    is_ours = is_seen and entry.type != "sensitive" and entry.key in variables.names.every
    value = read(entry) if is_ours else None
    return VariableEntry(
        name=entry.key,
        place=f"{variables.owner} (id {entry.id})",
        in_scope=is_seen,
        elsewhere=variables.scope.beside(entry),
        type=entry.type,
        claimed=claim[0] if claim else None,
        value=value,
        is_changed=value is None and is_seen and is_changed(entry, listed, variables.scope, variables.names),
        is_marked=entry.comment.startswith(MARK),
        recorded=recorded_value(entry),
        id=entry.id,
    )
