"""Whether a value that a variable has is this stack's own, so that a delivery may replace it without a question.

Pure. The one place that decides it, for Vercel's variables, the parameters of the store, and a task definition.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from components.settings import KEY_ID_VARIABLE, REGION_VARIABLE, WRAPPED_KEYS, Outputs, Settings
from components.settings.arn import Arn
from wizard.core.data_key import AROUND
from wizard.core.errors import UsageError
from wizard.core.next_command import Command


def value_fingerprint(value: str) -> str:
    """The fingerprint of a value that is not a data key."""
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class OwnValues:
    """The values that a stack gives to the variables other than its data key."""

    region: str
    key_arns: tuple[str, ...] = ()
    """The ARNs of its key, in each Region; empty before it is created."""
    alias: str = ""
    """`alias/…` of its key."""
    variables: tuple[str, ...] = (KEY_ID_VARIABLE, REGION_VARIABLE)
    """The guide's names of the variables that the stack delivers beside its wrapped keys."""

    @classmethod
    def of(cls, settings: Settings, outputs: Outputs | None, *, region: str | None = None) -> "OwnValues":
        """The values of a stack, in its own Region or that of a replica."""
        return cls(
            region=region or settings.region,
            key_arns=outputs.key_arns if outputs else (),
            alias=settings.names.alias if outputs else "",
            variables=tuple(name for name in settings.variables if name not in WRAPPED_KEYS),
        )

    def has(self, variable: str, value: str) -> bool:
        """Whether the value, without pasted quotation marks and spaces, is the variable's; `variable` is the guide's
        name.

        A key may be named by its ARN, its id, its alias or the alias's ARN.
        """
        bare = value.strip(AROUND)
        if variable == REGION_VARIABLE:
            return bare == self.region
        if variable != KEY_ID_VARIABLE or not self.key_arns:
            return False
        arns = [Arn.parse(arn) for arn in self.key_arns]
        aliases = (self.alias, *(str(arn.with_resource(self.alias)) for arn in arns)) if self.alias else ()
        return bare in (*self.key_arns, *(arn.name for arn in arns), *aliases)


def is_own(
    variable: str,
    value: str | None,
    own: OwnValues,
    *,
    is_marked: bool,
    recorded: str | None = None,
    is_changed: bool = False,
) -> bool:
    """Whether a delivery may replace the value without a question; `variable` is the guide's name.

    It may, where nothing is lost (an empty value), where the value is the stack's, and where this program wrote it.
    `value`: None where it cannot be read. `is_marked`: a comment or a tag says that this program wrote it. `recorded`:
    the fingerprint of the value that it wrote, where it is known: a mark survives an edit of the value. `is_changed`:
    the times of the last writes say that somebody else wrote it later.
    """
    if value is not None and (not value.strip(AROUND) or own.has(variable, value)):
        return True
    if not is_marked or is_changed:
        return False
    return value is None or recorded is None or recorded == value_fingerprint(value)


@dataclass(frozen=True, kw_only=True)
class ForeignVariable:
    """A variable whose value is somebody else's, which a delivery would replace."""

    name: str
    """The name that the application reads; of a parameter, the guide's name."""
    place: str
    """The place, in words."""
    value: str = ""
    """The value as it can be shown; empty for none."""

    @property
    def words(self) -> str:
        """The present value, for a person."""
        return f"{self.name} of {self.place}" + (f" is {self.value}" if self.value else "")


_SHOWN = re.compile(
    r"[a-z]{2}(?:-[a-z]+)+-\d|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key|alias)/[\w/-]+|alias/[\w/-]+"
    r"|(?:mrk-)?[0-9a-f-]{32,36}",
    re.ASCII,
)


def shown(value: str | None) -> str:
    """A value as a message has it: a Region, or the name of a key. A value that was pasted by mistake may be secret."""
    bare = (value or "").strip(AROUND)
    return bare if _SHOWN.fullmatch(bare) else ""


class VariablesNotOurs(UsageError):
    """A delivery would replace variables of somebody else, and nobody has agreed to it. Nothing was changed."""

    def __init__(self, variables: Iterable[ForeignVariable], command: Command, *, agreed: Iterable[str] = ()) -> None:
        """`command`: of this program, which repeats the run. `agreed`: the names that it has named already."""
        self.variables = tuple(dict.fromkeys(variables))
        names = tuple(dict.fromkeys(variable.name for variable in self.variables))
        super().__init__(
            f"this stack did not write {'; '.join(variable.words for variable in self.variables)}; something else in "
            "the application may read it, so nothing was changed",
            replacing(command, (*sorted(agreed), *names)),
        )


def replacing(command: Command, names: Iterable[str]) -> Command:
    """The command that replaces them, and the alternative."""
    words = [word for name in dict.fromkeys(names) for word in ("--replace-variable", name)]
    return command.plus(
        *words,
        advice="only where nothing else needs these values; else give the stack's variables other names "
        "(--variable-names, docs/application.md)",
    )
