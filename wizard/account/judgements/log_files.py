"""The check of the audit logs of the period against the digests that CloudTrail signed.

Reads through the facts.
"""

from collections.abc import Iterator

from components.policies.stack import trail_arn_of
from wizard.account import codes, evidence, fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.next_command import NO_COMMAND

codes.declare("logs-changed", after="alerts-without-address")

_MOST = 3
"""The most faults in one sentence."""


@judgement("audit-logs-signed")
def check_log_files(facts: StackFacts) -> Iterator[Notice]:
    """Whether no log file was changed or deleted, and all are signed."""
    validations = needed("the digests of the audit logs", evidence.log_validations(facts))
    if faults := [fault for each in validations for fault in each.faults]:
        more = f"; and {len(faults) - _MOST:,} more, all in report.json" if len(faults) > _MOST else ""
        start = ("--start-time", f"{evidence.since(facts):%Y-%m-%dT%H:%M:%SZ}")
        yield Notice.wrong(
            "logs-changed",
            what=f"{'; '.join(faults[:_MOST])}{more}",
            why="nobody can say any more who used the key in that time",
            command=fixes.aws(
                facts, "cloudtrail", "validate-logs", "--trail-arn", trail_arn_of(facts.settings), *start
            ),
        )
    for each in validations:
        if each.since and each.until:
            yield Notice.good(
                f"{each.region}: from {each.since:%Y-%m-%d %H:%M} to {each.until:%Y-%m-%d %H:%M} UTC "
                f"{each.digests:,} digests and {each.logs:,} log files are as CloudTrail signed them"
            )
        for why in each.unread:
            command = NO_COMMAND if each.since else fixes.wizard(facts, "doctor")
            yield Notice.unknown(f"the audit logs of {each.region}", why, command=command)
    if left := sum(each.left for each in validations):
        yield Notice.unknown(
            "the older log files",
            f"{left:,} older log files were not compared",
            command=fixes.wizard(facts, "report", "--all-logs"),
        )


REPORT_CHECKS: tuple[Judgement, ...] = (check_log_files,)
