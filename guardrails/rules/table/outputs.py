"""The outputs of the stack: from them the wizard knows the key, the store, the application and the trail.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
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
    }


def _secrets(settings: Settings, entries: Any) -> Iterator[str]:
    """Under each name the variable of that name: the hash key in the place of the data key would lose records."""
    names = dict(pair.split("=", 1) for pair in settings.variable_names)
    own = {
        (names.get(variable, variable), arn)
        for variable, arn in zip(settings.variables, stored_at(settings, settings.region), strict=True)
    }
    for each in entries:
        if not isinstance(each, Mapping) or (each.get("name"), each.get("valueFrom")) not in own:
            yield str(each)
