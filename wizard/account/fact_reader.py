"""How facts of one deployed stack are read: each once, when something first needs it, and errors as values.

Reads through the clients, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from components.settings import Outputs, Settings
from wizard.account.facts_read import facts_read, rests_on
from wizard.core.clients import Clients
from wizard.core.errors import SetupError, attempted
from wizard.core.models.stack import StackState
from wizard.core.retry import Once, together

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.engine import Engine
    from wizard.vercel.client import VercelClient

T = TypeVar("T")


class FactReader:
    """The stack, its state, and what reads everything else. Safe for threads: each value is read at most once.

    A fact is read when it is first asked for; who asks meanwhile waits for the same answer.
    """

    def __init__(
        self,
        *,
        stack: str,
        settings: Settings,
        aws: AwsClient,
        sources: Clients,
        open_engine: Callable[[], Engine],
        vercel: VercelClient | None = None,
        readers: Mapping[str, Callable[[], object]] = MappingProxyType({}),
    ) -> None:
        """`aws` is in the stack's own Region, and in its account. `vercel` is None without a token, and where Vercel is
        not a target.

        `readers`: how facts are read, by name, where the caller has the value already or reads it in another way.
        """
        self.stack = stack
        self.settings = settings
        self.aws = aws
        self.sources = sources
        self.vercel = vercel
        self._open_engine = open_engine
        self._readers = readers
        self._once = Once()

    def read(self, *names: str) -> None:
        """Read the properties of these names, beside each other. For a command that needs all of them."""
        together(*(partial(getattr, self, name) for name in names))

    def once(self, name: str, read: Callable[[], T]) -> T | SetupError:
        """The result of `read`, or the SetupError that it raised; read once for each name.

        The judgement that asks rests on it, and on the facts that it was made of.
        """

        def read_fact() -> tuple[T | SetupError, frozenset[str]]:
            with facts_read() as parts:
                return attempted(self._readers.get(name, read)), frozenset(parts)  # type: ignore[arg-type]

        answer, parts = self._once(name, read_fact)
        rests_on(name, *parts)
        return answer

    @cached_property
    def at(self) -> datetime:
        """When the facts are read, to the second. UTC."""
        return self.sources.now().replace(microsecond=0)

    @property
    def engine(self) -> Engine:
        """Pulumi, opened at the first use. Raises SetupError."""
        return self._once("engine", self._open_engine)

    @property
    def state(self) -> StackState | SetupError:
        return self.once("state", lambda: self.engine.state(self.stack))

    @property
    def outputs(self) -> Outputs | None:
        """The stack's outputs; None if it is not deployed or its state could not be read."""
        state = self.state
        return None if isinstance(state, SetupError) else state.outputs
