"""The check of the application's code: what else reads the variables that the stack delivers.

Reads through the facts: the folder that the command was started in, or EONPRO_APP_FOLDER.
"""

from collections.abc import Iterator

from components.settings import DATA_KEY_VARIABLE, KEY_ID_VARIABLE, REGION_VARIABLE, VariableNames
from wizard.account import codes, fixes
from wizard.account.diagnosis import first_of
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.next_command import NO_COMMAND, Command

codes.declare("variable-shared", after="region-wrong")
codes.declare("region-shared", after="variable-shared", category=codes.Category.DECISION)

_MOST_NAMED = 6
_SUGGESTED = {
    REGION_VARIABLE: "EONPRO_AWS_REGION",
    KEY_ID_VARIABLE: "EONPRO_KMS_KEY_ID",
    DATA_KEY_VARIABLE: "EONPRO_PHI_KEY",
}
"""Names that nothing else has."""


@judgement()
def check_other_readers(facts: StackFacts) -> Iterator[Notice]:
    """Whether other code reads the variables; nothing is said without the application's folder."""
    code = facts.code
    if code is None:
        return
    for why in code.unread:
        yield Notice.person(f"the rest of the application's code: {why}")
    others = code.others(facts.settings)
    for cause, is_harmed in (("variable-shared", True), ("region-shared", False)):
        readers = [other for other in others if other.is_harmed is is_harmed]
        if not readers:
            continue
        shared = tuple(dict.fromkeys(other.variable for other in readers))
        yield Notice.wrong(
            cause,
            what=f"other code of the application reads {' and '.join(shared)}",
            why=first_of([other.line for other in readers], _MOST_NAMED, separator="; "),
            command=_other_names(facts, shared) if is_harmed else NO_COMMAND,
            advice=(
                "have the code of the data key read the new names, deploy it, and give the other code its value back "
                "(docs/application.md)"
            )
            if is_harmed
            else "if its Region differs, give it a variable of its own, or the stack's another name "
            "(docs/application.md)",
        )
    if not others:
        yield Notice.good("no other code of the application reads the variables")


def _other_names(facts: StackFacts, shared: tuple[str, ...]) -> Command:
    """The set-up that gives the stack's variables other names than these. What was delivered before stays there."""
    names, guides = facts.settings.delivered_names, VariableNames()
    given = {variable: names[variable] for variable in names.guides.values() if names[variable] != guides[variable]}
    # The Region goes with the key: what reads the one for S3 mostly reads the other.
    given |= {names.guides[name]: _SUGGESTED[names.guides[name]] for name in (*shared, names.region)}
    pairs = ",".join(f"{variable}={name}" for variable, name in given.items())
    return fixes.wizard(facts, "setup", "--variable-names", pairs, "--yes")


OTHER_CHECKS: tuple[Judgement, ...] = (check_other_readers,)
