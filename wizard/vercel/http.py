"""Vercel's API as requests and answers: the token, the scope, time-outs, repeats, and errors told in words.

Touches the network, one endpoint; the token leaves this file in the Authorization header only.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.next_command import Command


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Within it these modules are as if not installed, unless they are loaded already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is how a module is said to be none
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


# Where they are installed httpx loads its own command line (click, and rich behind it), and httpcore, which comes with
# its first client, two ways of doing things at once. None is used here: a fifth of a second before the first check.
with _without("anyio", "click", "trio"):
    import_module("httpcore")
    import httpx

NEW_TOKEN = (
    "make a token at https://vercel.com/account/settings/tokens, its scope the team of the project,"
    " then: export VERCEL_TOKEN=<token>"
)
FIRST_CONTACT_ATTEMPTS = 3
"""An endpoint that never answered is not waited for: a wrong address must be told at once."""

_LOGGER = logging.getLogger("eonpro.vercel")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0


class RetryBudget:
    """How long one errand may take: pauses that double from 0.25 s to 8 s, until `seconds` are over."""

    def __init__(self, *, seconds: float, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
        self._seconds, self._sleep, self._now = seconds, sleep, now
        self._start = now()
        self._slept = 0.0
        self._next = _FIRST_PAUSE

    @property
    def passed(self) -> float:
        """Seconds since it began. What was slept counts even where the clock stands still."""
        return max(self._now() - self._start, self._slept)

    def pause(self, at_least: float | None = None) -> bool:
        """Wait before the next attempt; False when that would be too late, and then nothing is waited."""
        pause = max(at_least or 0.0, self._next)
        if self.passed + pause > self._seconds:
            return False
        self._sleep(pause)
        self._slept += pause
        self._next = min(self._next * 2, _LONGEST_PAUSE)
        return True


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the endpoint said."""

    status: int
    body: Any = field(repr=False)
    retry_after: float | None = None
    """Seconds."""

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked to."""
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (408, 425, 429) or (self.status >= 500 and self.status != 501)

    @property
    def error(self) -> Mapping[str, Any]:
        """The body's `error`, or nothing."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def words(self) -> str:
        """Code and message of the error, else the status."""
        told = [str(self.error[name]) for name in ("code", "message") if self.error.get(name)]
        return ": ".join(told) or f"status {self.status}"

    @property
    def bad_token(self) -> bool:
        """Whether the token itself is refused, not only what it may do."""
        return self.status == 401 or (self.status == 403 and bool(self.error.get("invalidToken")))


class _Bearer(httpx.Auth):
    """Puts the token into the header, and shows it nowhere else."""

    def __init__(self, token: str) -> None:
        self._header: Callable[[], str] = lambda: f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header()
        yield request


class Api:
    """One endpoint, one token."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str,
        timeout: float,
        sleep: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._sleep, self._now = sleep, now
        self._reached = False
        self._timeout = timeout
        local = _check_endpoint(self.base_url)
        self._client = httpx.Client(
            auth=_Bearer(_check_token(token)),
            headers={"Accept": "application/json", "User-Agent": "eonpro-kms"},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            # No proxy stands between a process and its own machine; plain HTTP needs no certificates loaded.
            trust_env=not local,
            verify=self.base_url.startswith("https"),
        )

    def __repr__(self) -> str:
        return f"Api({self.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def patience(self, seconds: float) -> RetryBudget:
        """Patience by this endpoint's clock."""
        return RetryBudget(seconds=seconds, sleep=self._sleep, now=self._now)

    def attempt(
        self, method: str, path: str, *, query: Mapping[str, str], content: Any = None, seconds: float | None = None
    ) -> Response:
        """One request, once; within `seconds` where that is less than the time-out.

        Raises Unreachable when no answer comes, SetupError when it is not Vercel's.
        """
        limit = self._client.timeout if seconds is None else httpx.Timeout(min(seconds, self._timeout))
        try:
            response = self._client.request(
                method, self.base_url + path, params=dict(query), json=content, timeout=limit
            )
        except httpx.TimeoutException as error:
            raise self._unreachable(f"{self.base_url} did not answer {method} {path} in time") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise self._unreachable(f"{self.base_url} cannot be reached ({method} {path}: {reason})") from error
        self._reached = True
        took = response.elapsed.total_seconds() * 1000
        _LOGGER.debug("%s %s: %d, %.0f ms", method, path, response.status_code, took)
        try:
            body = response.json() if response.content else None
        except ValueError as error:
            body = None
            if response.is_success:
                raise self._stranger(response.status_code) from error
        if response.is_redirect:
            raise self._stranger(response.status_code)
        return Response(
            status=response.status_code, body=body, retry_after=_seconds(response.headers.get("Retry-After"))
        )

    def persist(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        patience: RetryBudget,
        content: Any = None,
        seconds: float | None = None,
    ) -> Response:
        """One request, repeated while it may still succeed. For requests that may be repeated only.

        Raises Unreachable, or ResourceError when the rate limit outlasts the patience.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                answer = self.attempt(method, path, query=query, content=content, seconds=seconds)
            except Unreachable:
                if (not self._reached and attempts >= FIRST_CONTACT_ATTEMPTS) or not patience.pause():
                    raise
                continue
            if not answer.passing:
                return answer
            if not patience.pause(answer.retry_after):
                raise self.refusal(answer, f"{method} {path}")

    def refusal(self, answer: Response, doing: str) -> SetupError:
        """The error that an answer amounts to. `doing` names what was asked for: `list the variables`."""
        if answer.bad_token:
            why = "it has expired, was deleted, or was not copied whole"
            return CredentialsError(f"Vercel does not accept the token: {why} ({answer.words})", NEW_TOKEN)
        if answer.status == 403:
            return PermissionDenied(f"Vercel does not let this token {doing} ({answer.words})", NEW_TOKEN)
        if answer.status == 429:
            wait = f"{answer.retry_after:.0f} seconds" if answer.retry_after else "a while"
            return ResourceError(
                f"Vercel's rate limit was hit: {doing} ({answer.words})",
                f"wait {wait}, then run the same command again",
            )
        if answer.passing:
            return self._unreachable(f"{self.base_url} kept failing: {doing} ({answer.words})")
        return ResourceError(
            f"Vercel refused: {doing} ({answer.words})",
            "mend what Vercel names, then run the same command again",
        )

    def _unreachable(self, message: str) -> Unreachable:
        return Unreachable(message, "check the network and VERCEL_API_URL, then run the same command again")

    def _stranger(self, status: int) -> SetupError:
        return SetupError(
            f"what answers at {self.base_url} is not Vercel's API (status {status}, and no JSON)",
            Command("unset VERCEL_API_URL, or set it to the address of the API itself"),
        )


def _check_token(token: str) -> str:
    # An HTTP library that meets a forbidden character quotes the whole header in its error.
    token = token.strip()
    if not token:
        raise CredentialsError("there is no Vercel token", NEW_TOKEN)
    if not all("!" <= character <= "~" for character in token):
        raise CredentialsError(
            "the Vercel token has characters that no token has: more was copied than the token", NEW_TOKEN
        )
    return token


def _check_endpoint(url: str) -> bool:
    """Whether the endpoint is on this machine. Raises UsageError for one no token may be sent to."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    hint = "set VERCEL_API_URL to an https address, or unset it"
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is not the address of an API", hint)
    if parsed.userinfo:
        raise UsageError("the address of Vercel's API may hold no user name or password", hint)
    try:
        local = ipaddress.ip_address(parsed.host).is_loopback
    except ValueError:
        local = parsed.host == "localhost"
    if parsed.scheme == "http" and not local:
        raise UsageError(f"{url!r} would carry the token over the network in the clear", hint)
    return local


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
