"""What a person reads of rotations and versions: tables and sentences, made from facts.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from wizard.facts import Mark
from wizard.facts_rotation import EscrowedVersion, KeyRotations, Origin
from wizard.protocols import Talk

ORIGINS = {
    Origin.FIRST: "the first",
    Origin.MADE: "made new",
    Origin.REWRAPPED: "re-wrapped",
    Origin.ADOPTED: "adopted from ENCRYPTION_KEY",
    Origin.RESTORED: "from a backup",
    Origin.UNKNOWN: "unknown (its tags do not say)",
}


def show_versions(talk: Talk, versions: Sequence[EscrowedVersion], own_keys: Sequence[str]) -> None:
    """The kept versions, each with what it is; then those that another key than the stack's opens."""
    rows = []
    for each in versions:
        place = "current" if each.current else "was current" if each.was_current else "beside"
        origin = ORIGINS[each.origin]
        if each.same_as != each.fingerprint:
            origin += f", {each.same_as.removeprefix('sha256:')}"
        rows.append((each.fingerprint, place, f"{each.kept_at:%Y-%m-%d}" if each.kept_at else "not told", origin))
    talk.table(rows, headings=("version", "now", "kept", "origin"))
    for each in versions:
        if each.key_arn not in own_keys:
            talk.line(f"{each.fingerprint} is opened by {each.key_arn or 'a key that its tags do not name'}")


def warn_of_spoiled(talk: Talk, names: Sequence[str]) -> None:
    """Entries of the ledger that no longer hold what their name says."""
    for name in names:
        talk.line(f"{name} no longer holds the version that it is the name for: somebody replaced it", mark=Mark.FAIL)


def show_next(talk: Talk, steps: Sequence[str]) -> None:
    """What is left to do, in order."""
    if steps:
        talk.section("What is left to do")
    for number, each in enumerate(steps, 1):
        talk.line(f"{number}. {each}")


def show_rotations(talk: Talk, found: KeyRotations) -> None:
    """The rotations of the KMS key: those that were, what is left, and what comes."""
    period = "every " + (f"{found.period_days} days" if found.period_days else "so often (not told)")
    talk.line(f"automatic rotation: {period if found.enabled else 'off'}", mark=Mark.OK if found.enabled else Mark.WARN)
    if found.enabled:
        talk.line(f"next: {found.next_at:%Y-%m-%d}" if found.next_at else "next: not told")
    for each in found.rotations:
        talk.line(f"rotated {each.at:%Y-%m-%d %H:%M} UTC, {'on demand' if each.on_demand else 'automatically'}")
    if not found.rotations:
        talk.line("never rotated yet")
    if found.on_demand_started:
        talk.line(f"a rotation on demand is under way since {found.on_demand_started:%Y-%m-%d %H:%M} UTC")
    if found.on_demand_limit is None:
        talk.line("rotations on demand left: unknown, for Service Quotas does not tell the limit here", mark=Mark.WARN)
    else:
        talk.line(f"rotations on demand left: {found.on_demand_left} of {found.on_demand_limit}")


def cost_of_another(found: KeyRotations) -> str:
    """What one more rotation costs: KMS adds $1 a month after each of the first two, and nothing after those.

    https://aws.amazon.com/kms/pricing/
    """
    done = len(found.rotations) + (found.on_demand_started is not None)
    if done < 2:
        return f"it is the key's rotation number {done + 1}: $1 a month more from then on"
    return "the key has been rotated twice already: one more costs nothing"
