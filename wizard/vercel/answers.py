"""The answers of Vercel's API and of GitHub's, with the members that are read. A body of another shape is refused.

Pure. A listing misread as empty would let a data key be overwritten. Members that are not named here are ignored; of
those that are, a value that Vercel may add to is text. Shapes: https://vercel.com/docs/rest-api
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic import model_validator as _validator
from pydantic.alias_generators import to_camel

from wizard.core.safe_text import clean

MAX_LABEL = 100
"""Characters of a name; Vercel's limit for a project."""


def _if(kind: type, change: Callable[[Any], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: change(value) if isinstance(value, kind) else value)


Text = Annotated[str | None, _if(str, lambda text: text.strip() or None)]
"""A text that is not blank."""
Label = Annotated[Text, AfterValidator(lambda name: clean(name)[:MAX_LABEL] if name else None)]
"""A name that somebody else gave, on one line and without control characters."""
Texts = Annotated[tuple[str, ...], _if(str, lambda text: (text,))]
"""One text or several."""


class Answer(BaseModel):
    """A structure of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)

    @_validator(mode="before")
    @classmethod
    def _without_null(cls, body: Any) -> Any:
        """A member that is null is one that is not there."""
        return {name: member for name, member in body.items() if member is not None} if isinstance(body, dict) else body


class Listing(Answer):
    """A list, which is the body itself or under its name in it, and the value of `until` for its next page."""

    collection: ClassVar[tuple[str, ...]]
    entry: ClassVar[str] = ""
    """A member that each entry has, where a single one may take the place of the list."""
    pagination: dict[str, Any] | None = None

    @_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        name, *others = cls.collection
        # An endpoint with one entry may send it as it is.
        if not isinstance(body, dict) or cls.entry and cls.entry in body:
            body = {name: body}
        entries = next((body[each] for each in (name, *others) if each in body), None)
        is_one = cls.entry and isinstance(entries, dict)
        return {name: [entries] if is_one else entries, "pagination": body.get("pagination")}

    @property
    def next_page(self) -> str | None:
        """The token of the next page; None on the last one."""
        following = (self.pagination or {}).get("next")
        return None if following in (None, "") else str(following)


class Variable(Answer):
    """An environment variable."""

    id: Text = None
    uid: Text = None
    key: str = Field(pattern=r"\S")
    type: Text = None
    visibility: Text = None
    value: str | None = None
    decrypted: StrictBool | None = None
    target: Texts = ()
    comment: Text = None
    git_branch: Text = None
    updated_at: StrictInt | None = None
    custom_environment_ids: Texts = ()


class VariableListing(Listing):
    """The variables of a project."""

    collection = ("envs", "env")
    entry = "key"
    envs: tuple[Variable, ...]


class SharedVariable(Variable):
    """A variable of a team."""

    project_id: Texts = ()
    deleted_at: Any = None
    apply_to_all_custom_environments: StrictBool | None = None


class SharedListing(Listing):
    """The shared variables of a team."""

    collection = ("data",)
    data: tuple[SharedVariable, ...]


class Value(Answer):
    """The value of a variable."""

    value: str | None = None
    decrypted: StrictBool | None = None
    type: Text = None


class Created(Answer):
    """A variable that was stored."""

    id: Text = None


class Refused(Answer):
    """Why a variable was not stored."""

    env_var_key: Text = None
    key: Text = None
    code: Text = None
    message: Text = None

    @_validator(mode="before")
    @classmethod
    def _read(cls, entry: Any) -> Any:
        reported = entry.get("error", entry) if isinstance(entry, dict) else entry
        return {"message": reported} if isinstance(reported, str) else reported


class Written(Answer):
    """The result of a write of variables."""

    created: Annotated[tuple[Created, ...], _if(dict, lambda entry: (entry,))] = ()
    failed: tuple[Refused, ...] = ()


class Named(Answer):
    """A custom environment, a team, a scope of a token."""

    id: Text = None
    slug: Label = None
    team_id: Text = None
    limited: StrictBool | None = None
    limited_by: tuple[str, ...] | None = None


class Environments(Listing):
    """The custom environments of a project."""

    collection = ("environments",)
    environments: tuple[Named, ...]


class Teams(Listing):
    """The teams of a token's user."""

    collection = ("teams",)
    teams: tuple[Named, ...]


class _User(Answer):
    default_team_id: Text = None


class User(_User):
    """The token's user."""

    user: _User | None = None


class _Scopes(Answer):
    scopes: tuple[Named, ...] = ()


class Token(Answer):
    """The token itself."""

    token: _Scopes | None = None


class _Tokens(Answer):
    enabled: StrictBool | None = None
    issuer_mode: Text = None


class Project(Answer):
    """A project (https://vercel.com/docs/rest-api/projects/find-a-project-by-id-or-name)."""

    id: Text = None
    name: Label = None
    account_id: Text = None
    framework: Text = None
    oidc_token_config: _Tokens | None = None
    rolling_release: dict[str, Any] | None = None
    team_slug: Label = None
    team: Named | None = None

    @_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        return body.get("project") or body if isinstance(body, dict) else body

    @property
    def owner(self) -> str | None:
        """The id of its team; None for a person's own project, and where it is unknown."""
        account = self.account_id or ""
        return account if account.startswith("team_") else None


class Projects(Listing):
    """The projects of a team."""

    collection = ("projects",)
    projects: tuple[Project, ...]


class ReportedDeployment(Answer):
    """A deployment, in any of the API's shapes."""

    id: str
    created: datetime
    url: Text = None
    state: Text = None
    ready_substate: Text = None
    target: Text = None
    meta: dict[str, Any] | None = None
    error_message: Text = None
    inspector_url: Text = None
    alias_error: Any = None

    @_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        states = (body.get(name) for name in ("readyState", "state", "status"))
        return {
            **body,
            "id": body.get("id") or body.get("uid"),
            "created": body.get("createdAt", body.get("created")),
            "state": next(filter(None, states), None),
        }


class Deployments(Listing):
    """The deployments of a project."""

    collection = ("deployments",)
    deployments: tuple[ReportedDeployment, ...]


class Targets(Answer):
    """The deployments that a project's environments run."""

    targets: dict[str, ReportedDeployment | None] | None = None


class Stage(Answer):
    """A stage of a rolling release."""

    index: int = 0
    target_percentage: float = 0.0
    require_approval: StrictBool = False
    duration: float | None = None


class Release(Answer):
    """A rolling release (https://vercel.com/docs/rest-api/rolling-release)."""

    state: str
    canary_deployment: ReportedDeployment | None = None
    current_deployment: ReportedDeployment | None = None
    stages: tuple[Stage, ...] | None = None
    active_stage: Stage | None = None
    queued_deployment_id: Text = None
    updated_at: datetime | None = None


class ReportedRelease(Answer):
    """The latest rolling release of a project."""

    rolling_release: Release | None = None


class _OfGitHub(Answer):
    model_config = ConfigDict(alias_generator=None)


class SubjectTemplate(_OfGitHub):
    """How GitHub makes the subject of a repository's tokens (https://docs.github.com/en/rest/actions/oidc)."""

    use_default: StrictBool | None = None
    use_immutable_subject: StrictBool | None = None
    include_claim_keys: tuple[str, ...] | None = None
    sub_claim_prefix: str | None = None


class _Owner(_OfGitHub):
    id: StrictInt


class Repository(_OfGitHub):
    """A repository on GitHub."""

    id: StrictInt | None = None
    full_name: str | None = None
    owner: _Owner | None = None
