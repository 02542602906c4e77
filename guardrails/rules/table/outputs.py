"""The outputs of the stack: from them the wizard knows the key, the store, the application and the trail.

Reads pyproject.toml beside the pack, for the version.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from ..row import Check
from ..settings import Settings
from .application import stored_at
from .keys import DOCUMENTS_KEY, PHI_KEY, phi_keys


class Made(NamedTuple):
    """A property of a resource of the stack, by its type and name."""

    of: tuple[str, str]
    property: str = "arn"


def outputs_of(settings: Settings) -> Mapping[str, Any]:
    """The value that each of these outputs has to have, where the stack has it. Further outputs may have any."""
    user = settings.arn("iam", f"user/{settings.name('app-user')}")
    policy = settings.arn("iam", f"policy/{settings.policy('KMSAccess')}")
    return {
        "keyArn": Made(PHI_KEY),
        "keyId": Made(PHI_KEY, "keyId"),
        "replicaKeyArns": [Made(each) for each in phi_keys(settings)[1:]],
        "documentsKeyArn": Made(DOCUMENTS_KEY),
        "aliasName": settings.alias("phi-key"),
        "appPolicyArn": settings.imported("application-policy", policy),
        "appPrincipalArn": next(iter(settings.principals), ""),
        "appUserArn": user if settings.makes_user else "",
        "secretsRoleArn": settings.arn("iam", f"role/{settings.name('secrets-role')}"),
        "trailArn": settings.trail_arn,
        "trailBucket": settings.own_bucket,
        "parameterPrefix": settings.prefix,
        "taskSecrets": Check(faults=partial(_secrets, settings)),
        # With that of a version to come, no command would take the stack any more.
        "programVersion": _version(),
    }


@cache
def _version() -> str:
    """The version of the program that the pack belongs to."""
    text = Path(__file__).parents[3].joinpath("pyproject.toml").read_text("utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def _secrets(settings: Settings, entries: Any) -> Iterator[str]:
    """Under each name the variable of that name: the hash key in the place of the data key would lose records."""
    names = dict(pair.split("=", 1) for pair in settings.variable_names)
    own = {
        (names.get(variable, variable), arn)
        for variable, arn in zip(settings.variables, stored_at(settings, settings.region), strict=True)
    }
    given = [(each.get("name"), each.get("valueFrom")) if isinstance(each, Mapping) else each for each in entries]
    yield from (str(each) for each in given if each not in own)
    yield from (f"{name} is left out" for name, arn in own if (name, arn) not in given)
