"""The check of how everybody who reaches the key signs in (CIS AWS Foundations 1.5, 1.14).

Reads through the facts.
"""

from collections.abc import Iterator

from components.settings.arn import Arn, resource_name
from wizard.account import codes, evidence, fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.models.access import SignIn
from wizard.core.next_command import NO_COMMAND, Text, shell, wizard
from wizard.targets.vercel.access_key import OLDEST

codes.declare("mfa-missing root-access-key access-key-old", after="records-not-encrypted")


@judgement("sign-in")
def check_sign_ins(facts: StackFacts) -> Iterator[Notice]:
    """Whether everybody who reaches the key has MFA, and no access key is too old."""
    sign_ins = needed("how those who can use the key sign in", evidence.sign_ins(facts))
    for each in sign_ins:
        yield from _problems(facts, each)
        if each.mfa is None:
            is_elsewhere = not each.is_in_iam(facts.settings.account_id)
            command = wizard("review", "--stack", facts.stack) if is_elsewhere else NO_COMMAND
            yield Notice.unknown(f"the MFA of {each.arn}", each.why, command=command)
    seen = sum(each.mfa is not None for each in sign_ins)
    keys = sum(key.active for each in sign_ins for key in each.access_keys)
    yield Notice.good(
        f"users with a right on the key, the root user among them: {seen}; their active access keys: {keys}"
    )


def _problems(facts: StackFacts, each: SignIn) -> Iterator[Notice]:
    """What is wrong with how somebody signs in, and the command for it."""
    user = resource_name(each.arn)
    active = [key for key in each.access_keys if key.active]
    arn = Arn.find(each.arn)
    is_root = arn is not None and arn.resource == "root"
    summary = fixes.aws(facts, "iam", "get-account-summary")
    # The application has an access key for a program, which no MFA device can confirm.
    is_program = each.arn in facts.principals and not each.has_password
    if each.mfa is False and (each.has_password or active) and not is_program:
        device = ("--virtual-mfa-device-name", user, "--bootstrap-method", "QRCodePNG", "--outfile", f"{user}.png")
        yield Notice.wrong(
            "mfa-missing",
            what=f"{each.arn} has no MFA device",
            why="whoever learns the password or the key can use the KMS key",
            command=summary if is_root else fixes.aws(facts, "iam", "create-virtual-mfa-device", *device),
            advice="" if is_root else Text("the user scans it, then: ", shell("aws", "iam", "enable-mfa-device")),
        )
    if each.has_root_keys:
        yield Notice.wrong(
            "root-access-key",
            what=f"{each.arn} has access keys",
            why="no policy limits the root user, and no second factor is asked for",
            command=summary,
        )
    for key in active:
        if key.age_days > OLDEST.days:
            off = ("--user-name", user, "--access-key-id", key.id, "--status", "Inactive")
            is_own = user == facts.settings.names.app_user
            yield Notice.wrong(
                "access-key-old",
                what=f"the access key {key.id} of {each.arn} is {key.age_days} days old",
                why=f"an access key is at most {OLDEST.days} days old",
                command=fixes.wizard(facts, "access-key", action="rotate")
                if is_own
                else fixes.aws(facts, "iam", "update-access-key", *off),
                advice="" if is_own else "after its user has a new one",
            )


REPORT_CHECKS: tuple[Judgement, ...] = (check_sign_ins,)
