"""One POST of a batch of variables, and what came of it; the listing afterwards is what counts.

Touches the network through `wizard/vercel_variables.py` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wizard.errors import PermissionDenied, Unreachable
from wizard.facts_scope import PRODUCTION, Scope
from wizard.vercel_http import Answer
from wizard.vercel_shapes import read_created, read_failures
from wizard.vercel_variables import Variables

_DEFINITIVE = frozenset({"ENV_CONFLICT", "BAD_REQUEST", "bad_request", "forbidden"})


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What came of one POST."""

    taken: bool = False
    ids: tuple[str, ...] = ()
    """Of the variables that Vercel says it took."""
    words: str = ""
    """Vercel's own, which may quote a value."""
    retry_after: float | None = None
    """Seconds."""
    definitive: bool = False
    """Whether no repeat can help."""


def entry(*, key: str, value: str, type: str, comment: str, scope: Scope = PRODUCTION) -> Mapping[str, Any]:
    """One variable of a batch, for the scope and nothing else."""
    return {"key": key, "value": value, "type": type, "comment": comment, **scope.fields}


def post(variables: Variables, batch: Sequence[Mapping[str, Any]]) -> Posted:
    """Set the batch, once. Raises CredentialsError and PermissionDenied; all else is in what comes back."""
    try:
        answer = variables.upsert(batch)
    except Unreachable as error:
        # Whether it was taken, the listing will tell.
        return Posted(words=error.message)
    return _taken(answer) if answer.ok else _refused(variables, answer)


def _taken(answer: Answer) -> Posted:
    failures = read_failures(answer.body)
    words = "; ".join(f"{name or 'a variable'}: {code} {message}".strip() for name, code, message in failures)
    # One entry that Vercel will never take is enough: the batch cannot become whole.
    final = any(code in _DEFINITIVE for _, code, _ in failures)
    return Posted(taken=not failures, ids=read_created(answer.body), words=words, definitive=final)


def _refused(variables: Variables, answer: Answer) -> Posted:
    if answer.passing:
        return Posted(words=answer.words, retry_after=answer.retry_after)
    error = variables.refusal(answer)
    if answer.bad_token or isinstance(error, PermissionDenied):
        raise error
    return Posted(words=answer.words, definitive=True)
