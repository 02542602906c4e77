"""The names of the application's variables: the guide's, or others that the settings give them.

Pure. A variable is known in the whole program by its guide's name, which is also the last part of its parameter's name;
this module has the name that the application reads.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from components.settings.stored_values import DATA_KEY, HASH_KEY, STORED_VALUES

REGION_VARIABLE = "AWS_REGION"
KEY_ID_VARIABLE = "AWS_KMS_KEY_ID"

LONGEST_NAME = 256
"""Characters of a variable's name on Vercel."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_TAKEN = {
    "the AWS SDK's own": re.compile(
        r"AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SECRET_KEY|SESSION_TOKEN|SECURITY_TOKEN|ROLE_ARN|ROLE_SESSION_NAME"
        r"|DEFAULT_REGION|PROFILE|DEFAULT_PROFILE|CONFIG_FILE|SHARED_CREDENTIALS_FILE|WEB_IDENTITY_TOKEN_FILE"
        r"|CA_BUNDLE|SDK_\w+|STS_\w+|EC2_\w+|CONTAINER_\w+|ENDPOINT_URL\w*|USE_\w+)",
        re.ASCII,
    ),
    "reserved by Vercel or AWS Lambda": re.compile(
        r"VERCEL|VERCEL_\w+|NOW_REGION|TZ|CI|LAMBDA_\w+|_HANDLER|_X_AMZN_\w+|AWS_EXECUTION_ENV|AWS_LAMBDA_\w+"
        r"|AWS_XRAY_\w+",
        re.ASCII,
    ),
    "set by the container's platform": re.compile(
        r"ECS_\w+|KUBERNETES_\w+|HOSTNAME|HOME|PATH|PORT|PWD|USER|SHELL|LANG|LD_\w+", re.ASCII
    ),
    "read by Node or Next.js": re.compile(r"NODE_\w+|NEXT_\w+|__NEXT_\w+", re.ASCII),
    "built into the code that browsers get": re.compile(
        r"(?:NEXT_PUBLIC|NUXT_PUBLIC|VITE|REACT_APP|EXPO_PUBLIC|GATSBY|PUBLIC|VUE_APP)_\w+", re.ASCII
    ),
    "of another key, or of another list of keys": re.compile(
        r"ENCRYPTION_KEY|PHI_ENCRYPTION_KEY|NEW_ENCRYPTED_PHI_KEY(?:S_FOR_READING)?|PHI_\w+", re.ASCII
    ),
}
"""Names that no variable of the stack can have, by the reason; the sources: https://vercel.com/docs/environment-variables/reserved-environment-variables,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html."""


@dataclass(frozen=True, kw_only=True)
class VariableNames:
    """The name of each variable of the application, where it runs."""

    region: str = REGION_VARIABLE
    key_id: str = KEY_ID_VARIABLE
    data_key: str = DATA_KEY.variable
    hash_key: str = HASH_KEY.variable
    data_key_check_value: str = DATA_KEY.check_value
    hash_key_check_value: str = HASH_KEY.check_value
    data_keys_for_reading: str = DATA_KEY.reading
    hash_keys_for_reading: str = HASH_KEY.reading

    @classmethod
    def of(cls, pairs: Sequence[str]) -> Self:
        """The names of the settings' `variableNames`, each `GUIDE_NAME=NAME`; the others have the guide's."""
        given = dict(pair.split("=", 1) for pair in pairs)
        return replace(cls(), **{field: given[variable] for variable, field in _FIELDS.items() if variable in given})

    def __getitem__(self, variable: str) -> str:
        """The name of the variable that the guide calls so. Raises KeyError for any other."""
        name: str = getattr(self, _FIELDS[variable])
        return name

    @property
    def every(self) -> tuple[str, ...]:
        """All names, those of optional values too, whatever the settings."""
        return tuple(self[variable] for variable in _FIELDS)

    @property
    def wrapped_keys(self) -> tuple[str, ...]:
        """The names of the variables with a wrapped key; the data key's first."""
        return tuple(self[value.variable] for value in STORED_VALUES)

    @property
    def optional(self) -> tuple[str, ...]:
        """The names of the key check values and of the keys for reading, which not every stack delivers."""
        return tuple(name for name in self.every if name not in (self.region, self.key_id, *self.wrapped_keys))

    @property
    def guides(self) -> dict[str, str]:
        """The guide's name of each variable, by its name."""
        return {self[variable]: variable for variable in _FIELDS}

    @property
    def are_guides(self) -> bool:
        """Whether all of them are the guide's."""
        return self == VariableNames()


_FIELDS = {
    REGION_VARIABLE: "region",
    KEY_ID_VARIABLE: "key_id",
    **{value.variable: value.variable_field for value in STORED_VALUES},
    **{value.check_value: f"{value.variable_field}_check_value" for value in STORED_VALUES},
    **{value.reading: f"{value.variable_field}s_for_reading" for value in STORED_VALUES},
}
"""The field of each variable, by the guide's name."""


_LISTS = tuple(value.reading for value in STORED_VALUES)


def fault_of_pair(pair: str) -> str | None:
    """The fault of one member of `variableNames`, in words; None without one."""
    variable, equals, name = pair.partition("=")
    if equals and variable in _LISTS:
        return f"{variable} is a list of keys, which has no other name"
    if not equals or variable not in _FIELDS:
        return f"{pair!r} is not {'=NAME, '.join(name for name in _FIELDS if name not in _LISTS)}=NAME"
    if not name:
        return f"{variable} has no name: the variables are delivered together, each under a name"
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of a variable: letters, digits and _, and no digit first"
    if len(name) > LONGEST_NAME:
        return f"{name[:20]}… has {len(name)} characters, and Vercel takes {LONGEST_NAME}"
    if name in _FIELDS and name != variable:
        return f"{name} is the guide's name of another variable than {variable}"
    reason = next((reason for reason, names in _TAKEN.items() if names.fullmatch(name)), None)
    return f"{name} cannot be {variable}: that name is {reason}" if reason else None


def faults_between(pairs: Sequence[str]) -> list[str]:
    """The conflicts between the members: a variable with two names, or a name of two variables."""
    given = [pair.split("=", 1) for pair in pairs]
    faults = []
    variables = [variable for variable, _ in given]
    for variable in dict.fromkeys(variables):
        if variables.count(variable) > 1:
            others = " and ".join(name for other, name in given if other == variable)
            faults.append(f"variableNames: {variable} has two names, {others}")
    names = {**{variable: variable for variable in _FIELDS}, **dict(given)}
    for name in dict.fromkeys(names.values()):
        of_name = [variable for variable, other in names.items() if other == name]
        if len(of_name) > 1:
            faults.append(f"variableNames: {name} is the name of {' and '.join(of_name)}")
    return faults
