"""Vercel's answers as facts, whatever their shape: `target` a string or a list, `envs` or a bare list.

Pure. What cannot be understood is refused: a listing misread as empty would let a data key be overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wizard.core.models.delivery import VercelProject
from wizard.vercel.variable_state import ListedVariable


class Unreadable(ValueError):
    """The answer is none of the shapes that are known. The message never holds the answer."""


def read_listing(body: Any) -> tuple[ListedVariable, ...]:
    """The variables of one page. Raises Unreadable."""
    found: Any = body
    if isinstance(body, dict) and "key" not in body:
        found = body.get("envs", body.get("env"))
    entries = found if isinstance(found, list) else [found]
    return tuple(_variable(entry) for entry in entries)


def read_shared(body: Any, project_id: str) -> tuple[ListedVariable, ...]:
    """The team's shared variables that are linked to the project; none where the answer is no such listing."""
    entries = body.get("data") if isinstance(body, dict) else None
    return tuple(
        replace(_variable(entry), every_custom_environment=entry.get("applyToAllCustomEnvironments") is True)
        for entry in entries or ()
        # An endpoint that knows no filter tells those of other projects too.
        if isinstance(entry, Mapping) and text(entry.get("key")) and not entry.get("deletedAt")
        if project_id in (_texts(entry.get("projectId")) or (project_id,))
    )


def read_environments(body: Any) -> Mapping[str, str]:
    """The name of each custom environment by its id; empty where the answer is no such listing."""
    entries = body.get("environments") if isinstance(body, dict) else None
    found = [entry for entry in entries or () if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {entry["id"]: entry["slug"] for entry in found if text(entry.get("id")) and text(entry.get("slug"))}


def read_entries(body: Any, collection: str) -> tuple[Mapping[str, Any], ...]:
    """The members of a collection, which is the body itself or under its name in it."""
    entries = body.get(collection) if isinstance(body, dict) else body
    return tuple(entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()


def read_project(
    found: Mapping[str, Any], *, fallback: str, team_id: str | None, team_slug: str | None
) -> VercelProject:
    """A project; `fallback` is its id and name where the answer does not tell them."""
    return VercelProject(
        id=text(found.get("id")) or fallback,
        name=text(found.get("name")) or fallback,
        team_id=team_id,
        team_slug=team_slug,
        framework=text(found.get("framework")),
    )


def owner(found: Mapping[str, Any]) -> str | None:
    """The id of the team that a project belongs to; None for a person's own, and where it is not known."""
    account = text(found.get("accountId")) or ""
    return account if account.startswith("team_") else None


def next_page(body: Any) -> str | None:
    """What to ask for with `until` to get the next page; None on the last."""
    pagination = body.get("pagination") if isinstance(body, dict) else None
    following = pagination.get("next") if isinstance(pagination, dict) else None
    return None if following in (None, "") else str(following)


def read_failures(body: Any) -> tuple[tuple[str, str, str], ...]:
    """(key, code, message) of each entry of `failed`; the key is empty where it is not known."""
    failed = body.get("failed") if isinstance(body, dict) else None
    return tuple(_failure(entry) for entry in failed) if isinstance(failed, list) else ()


def read_created(body: Any) -> tuple[str, ...]:
    """The id of each variable that was taken; none where they are not known."""
    created = body.get("created") if isinstance(body, dict) else None
    entries = created if isinstance(created, list) else [created]
    return tuple(id for entry in entries if isinstance(entry, dict) and (id := text(entry.get("id"))))


def read_names(body: Any, collection: str, field: str) -> tuple[str, ...]:
    """`field` of each member of a collection, which is the body itself or under its name in it."""
    return tuple(str(entry[field]) for entry in read_entries(body, collection) if entry.get(field))


def text(value: Any) -> str | None:
    """A string with something in it, or None."""
    return value.strip() or None if isinstance(value, str) else None


def _variable(entry: Any) -> ListedVariable:
    if not isinstance(entry, Mapping) or not text(entry.get("key")):
        raise Unreadable("it lists something that is no environment variable")
    kind, raw = text(entry.get("type")) or "", entry.get("value")
    clear = kind == "plain" or (entry.get("decrypted") is True and kind != "sensitive")
    updated = entry.get("updatedAt")
    return ListedVariable(
        id=text(entry.get("id")) or text(entry.get("uid")) or f"{entry['key']}@{entry.get('target')}",
        key=str(entry["key"]),
        type=kind,
        targets=_texts(entry.get("target")),
        comment=text(entry.get("comment")) or "",
        git_branch=text(entry.get("gitBranch")),
        value=raw if clear and isinstance(raw, str) else None,
        updated_at=updated if isinstance(updated, int) else None,
        custom_environments=_texts(entry.get("customEnvironmentIds")),
        raw=raw if isinstance(raw, str) else None,
    )


def _failure(entry: Any) -> tuple[str, str, str]:
    error = entry.get("error", entry) if isinstance(entry, dict) else None
    reported = error if isinstance(error, dict) else {"message": str(error or entry)}
    key = reported.get("envVarKey") or reported.get("key")
    return (str(key or ""), str(reported.get("code") or ""), str(reported.get("message") or ""))


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
