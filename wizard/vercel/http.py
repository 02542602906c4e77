"""Vercel's API as requests and answers: the endpoints with their versions, the token, time-outs, repeats, errors.

Touches one endpoint over the network, GitHub's by the same client; sends the token in the Authorization header only.
Reads the proxy's variables.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3
from pydantic import BaseModel, ValidationError

from wizard.core import errors, safe_text, watchdog
from wizard.core.call_limit import CHECK_PROXY, TooLarge, read_content
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import VERCEL_LOGIN, WITHOUT_PROXY, Command, shell
from wizard.core.retry import Clock, Deadline, Once, Reason
from wizard.core.safe_text import quoted
from wizard.vercel.connections import is_local, make_pool


class Endpoint(StrEnum):
    """Every endpoint that is used, with its version (https://vercel.com/docs/rest-api)."""

    VARIABLES = "/v10/projects/{project}/env"
    OLDER_VARIABLES = "/v9/projects/{project}/env"
    """For an endpoint that does not know the tenth version."""
    VARIABLE_VALUE = "/v1/projects/{project}/env/{id}"
    VARIABLE = "/v9/projects/{project}/env/{id}"
    SHARED_VARIABLES = "/v1/env"
    SHARED_VARIABLE = "/v1/env/{id}"
    CUSTOM_ENVIRONMENTS = "/v9/projects/{project}/custom-environments"
    PROJECT = "/v9/projects/{project}"
    PROJECTS = "/v10/projects"
    OLDER_PROJECTS = "/v9/projects"
    TEAMS = "/v2/teams"
    TEAM = "/v2/teams/{id}"
    USER = "/v2/user"
    TOKEN = "/v5/user/tokens/current"
    DEPLOYMENTS = "/v6/deployments"
    DEPLOYMENT = "/v13/deployments/{id}"
    REDEPLOY = "/v13/deployments"
    ROLLING_RELEASE = "/v1/projects/{project}/rolling-release"

    def path(self, **names: str) -> str:
        """The path, with the names that it takes."""
        return self.value.format(**{key: quote(name, safe="") for key, name in names.items()})


@dataclass(frozen=True, kw_only=True)
class Service:
    """An API that takes a token, as messages name it."""

    name: str
    base_url: str
    variable: str
    """Environment variable with another address."""
    login: Command
    """A function that returns a token."""
    redirects: bool = False
    """Whether a redirect counts as an answer (the resource was renamed). A redirect is never followed."""

    @property
    def itself(self) -> Command:
        return shell("unset", self.variable, advice=f"{self.name} itself is used then")


BASE_URL = "https://api.vercel.com"
VERCEL = Service(name="Vercel", base_url=BASE_URL, variable="VERCEL_API_URL", login=VERCEL_LOGIN)
ITSELF = VERCEL.itself
FIRST_CONTACT_ATTEMPTS = 3
"""An endpoint that never answered is not waited for: a wrong address must be reported soon."""
CONNECT_SECONDS = 5.0

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer of the endpoint."""

    status: int
    body: Any = field(repr=False)
    retry_after: float | None = None
    """Seconds."""
    unreadable: Callable[[str], errors.UnreadableAnswer] = field(repr=False)
    """The error of this call for a fault of its answer, in words."""

    def read(self, shape: type[Shape]) -> Shape:
        """The body, which has to be of this shape. Raises UnreadableAnswer."""
        try:
            return shape.model_validate(self.body)
        except ValidationError as error:
            place = ".".join(str(step) for step in error.errors(include_url=False, include_input=False)[0]["loc"])
            what = f"{place} is missing, or of another type" if place else "it is not what was asked for"
            # In no `from`: the cause quotes the body.
            raise self.unreadable(what) from None

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (408, 425, 429) or (self.status >= 500 and self.status != 501)

    @property
    def reason(self) -> Reason:
        """Why the same request may succeed later."""
        return Reason.THROTTLED if self.status == 429 else Reason.NETWORK

    @property
    def error(self) -> Mapping[str, Any]:
        """The body's `error`, or nothing."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def words(self) -> str:
        """Code and message of the error as they are, which may quote a value; else the status."""
        reported = [str(self.error[name]) for name in ("code", "message") if self.error.get(name)]
        return ": ".join(reported) or f"status {self.status}"

    @property
    def reported(self) -> str:
        """The words, quoted for a message of this program."""
        return quoted(self.words) if self.error else self.words

    @property
    def bad_token(self) -> bool:
        """Whether the token itself is refused, not only this request."""
        return self.status == 401 or (self.status == 403 and bool(self.error.get("invalidToken")))


class Api:
    """A connection to one endpoint with one token."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str,
        timeout: float,
        sleep: Callable[[float], None],
        now: Callable[[], float],
        service: Service = VERCEL,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._answers: Once | None = None
        """The answer to each GET, where none is sent twice; None where it may be."""
        self.values: dict[tuple[str, int | None], str] = {}
        """The values that were read, by the id and the last change of the variable, until the next write."""
        self._clock = Clock(now=now, sleep=sleep)
        self._has_answered = False
        self._timeout = timeout
        self._service = service
        self._logger = logging.getLogger(f"eonpro.{service.name.lower()}")
        local = is_local(self.base_url, name=service.name, variable=service.variable)
        checked = _check_token(token, service)
        # In no attribute, so that no repr and no traceback with local values has it.
        self._authorization: Callable[[], str] = lambda: f"Bearer {checked}"
        self._pool = make_pool(self.base_url, local=local)

    def __repr__(self) -> str:
        return f"Api({self.base_url!r})"

    def asking_once(self) -> "Api":
        """An Api over the same connections that sends a GET once, until the first write."""
        other = copy(self)
        other._answers = Once()
        return other

    def ask_again(self) -> None:
        """Forget the remembered answers, as after a write. For values that change by themselves."""
        self._answers = None

    def close(self) -> None:
        self._pool.clear()

    def deadline(self, seconds: float) -> Deadline:
        """The time of one operation, by this endpoint's clock."""
        return Deadline(clock=self._clock, seconds=seconds)

    def attempt(
        self, method: str, path: str, *, query: Mapping[str, str], content: Any = None, seconds: float | None = None
    ) -> Response:
        """One request, not repeated; within `seconds` where that is less than the time-out.

        Raises Unreachable without an answer or with one that cannot be read, SetupError for a redirect.
        """
        if method != "GET":
            self.values.clear()
            self._answers = None
        limit = self._timeout if seconds is None else min(seconds, self._timeout)
        response, received = self._send(method, path, query, content, limit)
        body = self._parsed(response.status, received)
        if 300 <= response.status < 400 and not self._service.redirects:
            raise self.not_the_service(response.status)
        self._has_answered = True

        def unreadable(what: str) -> errors.UnreadableAnswer:
            whole = f"{method} {path}: the answer of {self.base_url} cannot be read: {what}"
            return errors.UnreadableAnswer(whole, CHECK_PROXY if self._is_the_service else self._service.itself)

        return Response(
            status=response.status,
            body=body,
            retry_after=_seconds(response.headers.get("Retry-After")),
            unreadable=unreadable,
        )

    def _send(
        self, method: str, path: str, query: Mapping[str, str], content: Any, limit: float
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """The response and the whole of its body. Raises Unreachable."""
        headers = {"Accept": "application/json", "User-Agent": "eonpro-kms", "Authorization": self._authorization()}
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = self.base_url + path + (f"?{urlencode(dict(query))}" if query else "")
        started = time.monotonic()
        try:
            with watchdog.call(f"{method} {self.base_url}{path}"):
                response = self._pool.request(
                    method,
                    url,
                    body=None if content is None else json.dumps(content).encode(),
                    headers=headers,
                    timeout=urllib3.Timeout(connect=min(limit, CONNECT_SECONDS), read=limit),
                    # This client decides what is repeated, and a redirect must not send the token elsewhere.
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                # A piece of what was packed unpacks to no more than asked for.
                received = read_content(partial(response.read, decode_content=True))
        except TooLarge as error:
            # What is left of it must not be taken for the next answer.
            response.close()
            raise self._unreachable(f"{method} {path}: {self.base_url} was not read to its end: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise self._failure(method, path, error) from error
        self._logger.debug("%s %s: %d, %.0f ms", method, path, response.status, (time.monotonic() - started) * 1000)
        return response, received

    def _parsed(self, status: int, received: bytes) -> Any:
        """The body; None for an empty one, and for a failure's that is no JSON. Raises UnreadableAnswer."""
        try:
            return safe_text.parse_json(received) if received else None
        except ValueError as error:
            if 200 <= status < 300:
                # Retry once if a proxy's error page comes between Vercel's answers.
                # If Vercel never answered, fail at once.
                said = self.not_the_service(status)
                raise errors.UnreadableAnswer(said.message, said.hint) from error
            return None

    def persist(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        deadline: Deadline,
        content: Any = None,
        seconds: float | None = None,
    ) -> Response:
        """One request, repeated while it may still succeed. Only for requests that may be repeated.

        Raises Unreachable, or ResourceError when the rate limit lasts longer than the deadline.
        """

        def ask() -> Response:
            return self._persist(method, path, query=query, deadline=deadline, content=content, seconds=seconds)

        answers = self._answers  # a write in another thread ends it
        if answers is None or method != "GET":
            return ask()
        return answers((path, *sorted(query.items())), ask)

    def _persist(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        deadline: Deadline,
        content: Any,
        seconds: float | None,
    ) -> Response:
        attempts = 0
        while True:
            attempts += 1
            try:
                answer = self.attempt(method, path, query=query, content=content, seconds=seconds)
            except errors.Unreachable:
                is_unknown = not self._has_answered and attempts >= FIRST_CONTACT_ATTEMPTS
                if is_unknown or not deadline.wait(Reason.NETWORK):
                    raise
                continue
            if not answer.is_temporary:
                return answer
            if not deadline.wait(answer.reason, at_least=answer.retry_after):
                raise self.refusal(answer, f"{method} {path}")

    def refusal(self, answer: Response, doing: str) -> errors.SetupError:
        """The error for an answer. `doing` names the request: `list the variables`."""
        if answer.bad_token:
            why = "it has expired, was deleted, or was not copied completely"
            return errors.CredentialsError(f"Vercel does not accept the token: {why} ({answer.reported})", VERCEL_LOGIN)
        if answer.status == 403:
            return errors.PermissionDenied(
                f"Vercel does not allow this token to {doing} ({answer.reported})", VERCEL_LOGIN
            )
        if answer.status == 429:
            wait = f"{answer.retry_after:.0f} seconds" if answer.retry_after else "a while"
            return errors.ResourceError(
                f"Vercel's rate limit was hit: {doing} ({answer.reported})",
                f"wait {wait}, then run the same command again",
            )
        if answer.is_temporary:
            return errors.Unreachable(
                f"{self.base_url} answers, and kept failing: {doing} ({answer.reported})",
                "wait until https://www.vercel-status.com reports no incident, then run the same command again",
            )
        return errors.ResourceError(
            f"Vercel refused: {doing} ({answer.reported})",
            "fix what Vercel names, then run the same command again",
        )

    def _failure(self, method: str, path: str, error: urllib3.exceptions.HTTPError) -> errors.Unreachable:
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return self._unreachable(f"{self.base_url} did not answer {method} {path} in time")
        if isinstance(error, urllib3.exceptions.ProxyError):
            proxy = f"the proxy on the way to {self.base_url} does not answer ({method} {path})"
            return errors.Unreachable(proxy, WITHOUT_PROXY)
        reason = quoted(str(error)) if str(error) else type(error).__name__
        return self._unreachable(f"{self.base_url} cannot be reached ({method} {path}: {reason})")

    def _unreachable(self, message: str) -> errors.Unreachable:
        network = "check the network, then run the same command again"
        return errors.Unreachable(message, network if self._is_the_service else self._service.itself)

    @property
    def _is_the_service(self) -> bool:
        """Whether no other endpoint takes its place."""
        return self.base_url in (BASE_URL, self._service.base_url)

    def not_the_service(self, status: int) -> errors.SetupError:
        """The error for an answer that the service does not give."""
        return errors.SetupError(
            f"what answers at {self.base_url} is not {self._service.name}'s API (status {status}, and no JSON)",
            self._service.itself,
        )


def scope_of(project: VercelProject) -> dict[str, str]:
    """The parameters that name the project's team; none for a person's own project."""
    if project.team_id:
        return {"teamId": project.team_id}
    return {"slug": project.team_slug} if project.team_slug else {}


def _check_token(token: str, service: Service) -> str:
    # The error of an HTTP library about a forbidden character quotes the whole header.
    token = token.strip()
    if not token:
        raise errors.CredentialsError(f"there is no {service.name} token", service.login)
    if not all("!" <= character <= "~" for character in token):
        raise errors.CredentialsError(
            f"the {service.name} token contains impossible characters: more than the token was copied", service.login
        )
    return token


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
