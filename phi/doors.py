"""Several doors to one data key: the replicas of a multi-Region KMS key, tried in order while one does not answer.

Touches the key sources that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from phi.errors import TransientUnwrapError
from phi.events import DoorFailed, KeyEvent, Teller
from phi.flights import KeySource


class DoorsInOrder:
    """A KeySource that asks the next door only where the one before failed transiently.

    What a door says for good is believed, whichever it is: a denial is no reason to try elsewhere, for what was taken
    from the application in one Region was not meant to be left to it in another.
    """

    def __init__(self, doors: Mapping[str, KeySource], *, on_event: Callable[[KeyEvent], object] | None = None) -> None:
        """Take the doors by the names of their Regions, the first to try first; at least one."""
        if not doors:
            raise ValueError("A data key needs a door.")
        self._doors = dict(doors)
        self._teller = Teller(on_event)

    def data_key(self) -> bytes:
        """The key from the first door that has it; blocks as they do, one after the other.

        Raises the first UnwrapError that is terminal, and where all are transient the first door's, with what each
        door said.
        """
        failures: list[TransientUnwrapError] = []
        for region, door in self._doors.items():
            try:
                return door.data_key()
            except TransientUnwrapError as error:
                failures.append(error)
            self._teller.tell(DoorFailed(door=region, cause=failures[-1].cause))
        first = failures[0].again()
        first.args = (" ".join(str(one) for one in failures),)
        raise first from failures[0]

    def __repr__(self) -> str:
        return f"DoorsInOrder({', '.join(self._doors)})"
