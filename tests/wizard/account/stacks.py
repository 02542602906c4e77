"""A stack over fakes as the doctor's checks see it, whole and well until a test changes one thing.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from components.settings import Settings
from tests.wizard.fakes.clients import (
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeSavedProgress,
    FakeUserInterface,
    FakeVercelClient,
    built,
    settings,
)
from wizard.account.facts import StackFacts
from wizard.account.notices import Notice, State, requirements_of
from wizard.core.clients import Clients, ReadCode
from wizard.core.errors import SetupError, known
from wizard.core.models.stack import StackState, StateResource

_URN = "urn:pulumi:production::eonpro-kms::eonpro:kms"
RESOURCES = (
    f"{_URN}:AuditTrail$aws:cloudtrail/trail:Trail::audit-trail",
    f"{_URN}:AuditTrail$aws:kms/key:Key::audit-trail-key",
    f"{_URN}:AuditTrail$aws:s3/bucketPolicy:BucketPolicy::audit-trail",
    f"{_URN}:AuditTrail$aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration::audit-trail",
    f"{_URN}:PhiKey$aws:kms/key:Key::phi-key",
    f"{_URN}:AppAccess$aws:iam/policy:Policy::app-access",
    f"{_URN}:Alerts$aws:sns/topic:Topic::alerts",
    f"{_URN}:Alerts$aws:cloudwatch/eventRule:EventRule::alerts-key-changes",
)


@dataclass(kw_only=True)
class CheckedStack:
    """One stack; its parts may be changed before it is looked at."""

    settings: Settings = field(default_factory=settings)
    aws: FakeAwsClient = field(default_factory=FakeAwsClient)
    vercel: FakeVercelClient = field(default_factory=FakeVercelClient)
    state: StackState | SetupError | None = None
    """None: as it was built."""
    project: SetupError | None = None
    """Why the project cannot be read; None: it can."""
    read_code: ReadCode = lambda settings: None
    engine: FakeEngine = field(init=False)

    def __post_init__(self) -> None:
        resources = tuple(StateResource(urn=urn, type=urn.split("$")[1].split("::")[0], id="id") for urn in RESOURCES)
        self.engine = FakeEngine(aws=self.aws)
        self.state = self.state or built(self.aws, self.settings, resources=resources)

    def context(self) -> StackFacts:
        """What the checks ask."""
        clients = Clients(
            ui=FakeUserInterface(),
            connect=lambda profile, region: self.aws,
            vercel=lambda token: self.vercel,
            engine=lambda environment, *, secrets_provider=None: self.engine,
            prover=FakeDecryptVerifier(aws=self.aws),
            drafts=FakeSavedProgress(),
            read_code=self.read_code,
        )
        return StackFacts(
            stack="production",
            settings=self.settings,
            aws=self.aws,
            sources=clients,
            open_engine=lambda: self.engine,
            vercel=self.vercel,
            readers={"state": lambda: known(self.state), "project": lambda: known(self.project or self.vercel.project)},
        )

    def notices(self, *checks: Callable[[StackFacts], Iterable[Notice]]) -> tuple[Notice, ...]:
        """All that the checks tell. A view chooses judgements by the requirements that they name."""
        facts = self.context()
        notices = [(check, notice) for check in checks for notice in check(facts)]
        undeclared = {
            (check.__name__, id_) for check, each in notices for id_ in {*each.requirements} - {*requirements_of(check)}
        }
        assert not undeclared
        return tuple(notice for _, notice in notices)


def finding(notices: Iterable[Notice], cause: str) -> Notice:
    """The one finding, of that cause."""
    found = [each for each in notices if each.state is State.WRONG]
    assert [each.code for each in found] == [cause], found
    return found[0]


def causes(notices: Iterable[Notice]) -> list[str]:
    """The causes that were found."""
    return [each.code for each in notices if each.code]


def all_passed(notices: Iterable[Notice]) -> bool:
    """Whether all of it is well, and something was looked at."""
    notices = tuple(notices)
    return bool(notices) and all(each.state is State.GOOD for each in notices)


def not_checked(notices: Iterable[Notice]) -> list[Notice]:
    """What could not be looked at; nothing else may be notices."""
    notices = tuple(notices)
    assert all(each.state is State.UNKNOWN for each in notices), notices
    return [each for each in notices if each.state is State.UNKNOWN]
