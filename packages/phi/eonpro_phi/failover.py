"""A key source that asks the replicas of a multi-Region KMS key in order, while they fail transiently.

Touches the key sources passed to it.
"""

from collections.abc import Callable, Mapping

from eonpro_phi.errors import TransientUnwrapError
from eonpro_phi.events import EventEmitter, KeyEvent, RegionFailed
from eonpro_phi.refresh import KeySource


class FailoverKeySource:
    """A KeySource that asks the next Region only where the one before failed transiently.

    A terminal failure from any Region is final. A denial is no reason to try another Region: access that was removed
    in one Region must not stay open through another.
    """

    def __init__(
        self, sources: Mapping[str, KeySource], *, on_event: Callable[[KeyEvent], object] | None = None
    ) -> None:
        """Take at least one source, by the name of its Region, in the order to try."""
        if not sources:
            raise ValueError("At least one key source is required.")
        self._sources = dict(sources)
        self._emitter = EventEmitter(on_event)

    def data_key(self) -> bytes:
        """The data key from the first Region that returns it. Blocks; Regions are asked one after the other.

        Raises the first terminal UnwrapError. Where all Regions fail transiently, raises the first one's error with
        the messages of all.
        """
        failures: list[TransientUnwrapError] = []
        for region, source in self._sources.items():
            try:
                return source.data_key()
            except TransientUnwrapError as error:
                failures.append(error)
            self._emitter.emit(RegionFailed(region=region, cause=failures[-1].cause))
        first = failures[0].copy()
        first.args = (" ".join(str(failure) for failure in failures),)
        raise first from failures[0]

    def __repr__(self) -> str:
        return f"FailoverKeySource({', '.join(self._sources)})"
