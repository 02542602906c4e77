"""Whether an environment can start the application: its variables are there, well-formed and of one key.

Touches the mapping passed to it. `@eonpro/phi` gives the same verdict in the same words.
"""

import re
from collections.abc import Mapping

from eonpro_phi import declarations
from eonpro_phi.development import development_key
from eonpro_phi.environment import (
    ACCESS_KEY_ID,
    KEY_ARN,
    KEY_ID,
    NAMES,
    REGION,
    WRAPPED,
    WrappedKeys,
    renamed_variables,
)
from eonpro_phi.errors import MalformedVariable, MissingVariable


def check(environment: Mapping[str, str], *, models: str | None = None) -> dict[str, object]:
    """The verdict for JSON: `checked`, all `problems` at once, the KMS key, with `models` the `columns` that they bind,
    and `notices` of them. No value of a variable is in it but the KMS key's ARN.
    """
    facts: dict[str, object] = {}
    try:
        declared = declarations.read(models) if models else []
        if models:
            facts = {"columns": [each.as_json() for each in declared], "notices": [*declarations.notices(declared)]}
        if development_key(environment):
            return {"checked": True, "problems": [], "developmentKey": True, **facts}
        problems = problems_of(environment)
    except MalformedVariable as error:
        return {"checked": False, "problems": [str(error).removesuffix(".")]}
    except ValueError as error:
        problems = [*problems_of(environment), str(error)]
    if problems:
        return {"checked": False, "problems": problems}
    key = WrappedKeys.from_environment(environment).current
    return {"checked": True, "problems": [], **facts, "keyArn": key.key_arn, "fingerprint": key.fingerprint}


def problems_of(environment: Mapping[str, str]) -> list[str]:
    """Every problem of the variables, one sentence each without its full stop; none if the application can start."""
    problems, is_missing = _attempt(environment)
    if is_missing:
        # A missing variable hides what is wrong with the others: look again with stand-ins that fit to them.
        problems += _attempt(_with_stand_ins(environment))[0]
    if environment.get("VERCEL") and not environment.get(ACCESS_KEY_ID):
        problems.append(f"{ACCESS_KEY_ID} is not set: on Vercel a service in Python needs it, the role is for Node")
    return list(dict.fromkeys(problems))


def text_of(verdict: Mapping[str, object]) -> str:
    """The verdict for a person."""
    if not verdict["checked"]:
        problems = verdict["problems"]
        assert isinstance(problems, list)
        return "\n".join(["The application cannot use its data key:", *(f"  {each}." for each in problems)])
    lines = [f"The variables are there and well-formed, for {verdict.get('keyArn')}. KMS was not asked."]
    if verdict.get("developmentKey"):
        lines = ["The application uses a development key, without AWS: production opens none of its records."]
    notices = verdict.get("notices", [])
    assert isinstance(notices, list)
    return "\n".join(lines + [f"Attention: {each}" for each in notices])


def _attempt(environment: Mapping[str, str]) -> tuple[list[str], bool]:
    """(the problems, whether a variable is missing)."""
    try:
        WrappedKeys.from_environment(environment)
    except (MissingVariable, MalformedVariable) as error:
        return str(error).removesuffix(".").split("; "), isinstance(error, MissingVariable)
    return [], False


def _with_stand_ins(environment: Mapping[str, str]) -> dict[str, str]:
    names = renamed_variables(environment.get(NAMES, ""))
    given = {usual: environment.get(names.get(usual, usual), "") for usual in (REGION, KEY_ID, WRAPPED)}
    arn = KEY_ARN.fullmatch(given[KEY_ID])
    region = given[REGION] or (arn[1] if arn else "us-east-1")
    place = region if re.fullmatch("[a-z0-9-]+", region) else "us-east-1"
    stand_ins = {REGION: region, KEY_ID: f"arn:aws:kms:{place}:000000000000:key/mrk-{'0' * 32}", WRAPPED: "AA=="}
    return {**environment, **{names.get(usual, usual): given[usual] or stand_ins[usual] for usual in stand_ins}}
