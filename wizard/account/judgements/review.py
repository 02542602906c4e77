"""The check of the signed review of who can use and administer the key.

Reads through the facts. A review of another key, stack or account counts for nothing.
"""

from collections.abc import Iterator

from wizard.account import fixes
from wizard.account.access.stored_reviews import VALID_DAYS
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement


@judgement("access-review")
def check_review(facts: StackFacts) -> Iterator[Notice]:
    """Whether a person has signed a review of the key, and recently enough."""
    reviews = facts.reviews
    sign = fixes.wizard(facts, "review", "--sign", "NAME")
    folder = facts.sources.reviews
    for fault in reviews.faults:
        # A report has no path of this machine.
        told = fault.replace(f"{folder.parent}/", "") if folder else fault
        yield Notice.person(f"a saved review is damaged: {told}", command=sign)
    signed, age = reviews.signed, reviews.age_days(facts.at)
    if signed is None or signed.sign_off is None or age is None:
        yield Notice.person(
            "no review of this key is signed yet: every three months a person reviews who can use it, and signs",
            command=sign,
        )
        return
    when = {0: "today", 1: "yesterday"}.get(max(age, 0), f"{age} days ago")
    what = f"signed by {signed.sign_off.signer} {when}"
    if reviews.accepted(facts.at) is None:
        yield Notice.person(f"{what}: a review is valid for {VALID_DAYS} days", command=sign)
    else:
        yield Notice.good(what)


OTHER_CHECKS: tuple[Judgement, ...] = (check_review,)
