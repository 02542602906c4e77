"""Which environments on Vercel a push is for: what `--to` and `--branch` say, by the project's own names.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wizard.errors import UsageError
from wizard.facts_scope import Scope

_PRODUCTION, _PREVIEW, _DEVELOPMENT = "production", "preview", "development"


def chosen(names: Sequence[str], branch: str | None, custom: Mapping[str, str]) -> tuple[Scope, ...]:
    """The scopes of `--to` and `--branch`; `custom` is the slug of each custom environment by its id.

    Raises UsageError for what no delivery can be for.
    """
    if branch is not None and tuple(names) != (_PREVIEW,):
        raise UsageError(
            "a branch narrows preview, and nothing else", f"python -m wizard push --to preview --branch {branch}"
        )
    ids = {slug: id for id, slug in custom.items()}
    scopes = []
    for name in dict.fromkeys(names):
        if name == _DEVELOPMENT:
            raise UsageError(
                "the data key does not go to development: Vercel has no sensitive variables there, and "
                "`vercel env pull` would write it into a file on every developer's machine",
                "leave NODE_ENV=production to what is deployed; development has data of its own",
            )
        if name in (_PRODUCTION, _PREVIEW):
            scopes.append(Scope(environment=name, branch=branch))
        elif name in ids:
            scopes.append(Scope(environment=name, custom_id=ids[name]))
        else:
            there = ", ".join((_PRODUCTION, _PREVIEW, *sorted(ids)))
            raise UsageError(
                f"the project tells of no environment {name!r}; there is {there}",
                f"python -m wizard push --to {_PRODUCTION}",
            )
    if not scopes:
        raise UsageError("--to names no environment", f"python -m wizard push --to {_PRODUCTION}")
    return tuple(scopes)
