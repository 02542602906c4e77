"""A data key for development and tests, without AWS: made of a text, and refused where the application is deployed.

Touches the mapping passed to it.
"""

import hmac
from collections.abc import Mapping

from eonpro_phi.environment import WRAPPED, with_usual_names
from eonpro_phi.errors import MalformedVariable

VARIABLE = "PHI_DEVELOPMENT_KEY"
"""The text that the key is made of; any will do."""

_DEPLOYED: Mapping[str, tuple[str, ...]] = {
    "NODE_ENV": ("production",),
    "VERCEL_ENV": ("production", "preview"),
    "ECS_CONTAINER_METADATA_URI": (),
    "ECS_CONTAINER_METADATA_URI_V4": (),
    "KUBERNETES_SERVICE_HOST": (),
    "AWS_LAMBDA_FUNCTION_NAME": (),
}
"""The variables of a deployment, each with the values by which it is one; with none, any value.

https://vercel.com/docs/environment-variables/system-environment-variables,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html
"""
LOUD = "DEVELOPMENT KEY: whoever knows PHI_DEVELOPMENT_KEY reads what is encrypted now, and production never opens it."


class DevelopmentKey:
    """A KeySource with the same key for the same text, in `@eonpro/phi` too.

    It is a hash of the text: so no text, and no other key that is given as one, makes a key that production has.

    >>> DevelopmentKey("a laptop").data_key().hex()[:16]
    'a27df1d05a0072d3'
    """

    def __init__(self, text: str) -> None:
        """Use this text."""
        self._key = hmac.digest(b"eonpro-phi development key", text.encode(), "sha256")

    def data_key(self) -> bytes:
        """The 32 bytes of the key."""
        return self._key


def development_key(environment: Mapping[str, str], text: str | None = None) -> DevelopmentKey | None:
    """The key of this text, or of `PHI_DEVELOPMENT_KEY`; None where neither is given.

    Raises MalformedVariable where the environment is a deployment's, or has a wrapped data key too.
    """
    text = text or environment.get(VARIABLE)
    if not text:
        return None
    deployed = (
        f"{name}={environment[name]}" if values else name
        for name, values in _DEPLOYED.items()
        if environment.get(name) and (not values or environment[name] in values)
    )
    if sign := next(deployed, None):
        raise MalformedVariable(
            f"{VARIABLE} is for a laptop and for tests, and this is a deployment ({sign}): remove it."
        )
    if with_usual_names(environment).get(WRAPPED):
        raise MalformedVariable(f"{VARIABLE} and {WRAPPED} are both set: remove one.")
    return DevelopmentKey(text)
