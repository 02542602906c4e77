"""A fake of `AccessReader`, in memory: what a test wrote is what the account tells.

It touches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from components.policies.evaluation.account import AccountIam, GrantFact
from wizard.aws.access import AccessReader
from wizard.core.errors import SetupError
from wizard.core.models.access import AccessKeyAge, History, KeyEvents, KeyUse, SignIn


@dataclass(kw_only=True)
class FakeAccess(AccessReader):
    """Who may use the keys of one account, and who did."""

    account: AccountIam = AccountIam(principals=())
    granted: Mapping[str, tuple[GrantFact, ...]] = field(default_factory=dict)
    """By the key's ARN."""
    uses: Mapping[str, KeyUse] = field(default_factory=dict)
    """By the key's ARN; never used where it is not told."""
    told: Mapping[str, tuple[KeyEvents, ...]] = field(default_factory=dict)
    """By the key's ARN."""
    is_cut_off: bool = False
    keys_of_users: Mapping[str, tuple[AccessKeyAge, ...]] = field(default_factory=dict)
    """By the user's name."""
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who is assigned in AWS account access, by the role's ARN."""
    sign_ins: Mapping[str, SignIn] = field(default_factory=dict)
    """By ARN; with a password and MFA where it is not told."""
    failures: dict[str, SetupError] = field(default_factory=dict)
    """The error that a method raises, by the method's name."""

    def _call(self, name: str) -> None:
        if name in self.failures:
            raise self.failures[name]

    def grants(self, key_arn: str) -> tuple[GrantFact, ...]:
        self._call("grants")
        return self.granted.get(key_arn, ())

    def iam(self) -> AccountIam:
        self._call("iam")
        return self.account

    def access_keys(self, user: str, *, now: datetime) -> tuple[AccessKeyAge, ...]:
        self._call("access_keys")
        return self.keys_of_users.get(user, ())

    def assigned_people(self, role: str) -> tuple[str, ...]:
        self._call("assigned_people")
        return self.people.get(role, ())

    def sign_in(self, arn: str, *, now: datetime) -> SignIn:
        self._call("sign_in")
        return self.sign_ins.get(arn, SignIn(arn=arn, mfa=True, has_password=True, password_age_days=30))

    def last_use(self, key_arn: str) -> KeyUse:
        self._call("last_use")
        return self.uses.get(key_arn, KeyUse(at=None, operation=None, tracked_since=None))

    def events(self, key_arn: str, *, since: datetime) -> tuple[History, tuple[KeyEvents, ...]]:
        self._call("events")
        told = self.told.get(key_arn, ())
        count = sum(each.uses + each.refused for each in told)
        return History(since=since, events=count, is_cut_off=self.is_cut_off), told
