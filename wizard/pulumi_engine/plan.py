"""Exactly the plan: what a preview planned is kept, and an update that would do anything else is refused by the engine.

Part of the engine's edge: touches one file in a folder of its own, which is there only while the engine runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from wizard.core.errors import StalePlan

_MOVED = re.compile(r"violates plan|is not allowed by the plan: |no plan for resource \S+")
_UNDONE = re.compile(r"expected resource operations for \S+ but none were seen")
_WOULD = re.compile(r"(\S+) is not allowed by the plan: (?:this resource is constrained to (\S+)|no)")
_URN = re.compile(r"urn:pulumi:\S+")
_PROPERTY = re.compile(r"(?:^|, )[-+~=]{2}([A-Za-z_]\w*)(?=[\[,]|$)")


class StoredPlan:
    """The engine's own plan of the last preview, for one update (https://www.pulumi.com/docs/iac/concepts/update-plans/).

    Between the two it is kept in memory, because a person may think about it for an hour.
    """

    def __init__(self) -> None:
        self._stack = ""
        self._content: bytes | None = None

    def forget(self) -> None:
        """What was planned is done, or does not hold any more."""
        self._content = None

    @contextmanager
    def written(self, stack: str) -> Iterator[str]:
        """The path for a preview to save its plan at; the plan is kept if the preview goes well."""
        self.forget()
        with _private_file() as file:
            yield str(file)
            self._stack, self._content = stack, file.read_bytes()

    @contextmanager
    def read(self, stack: str) -> Iterator[str | None]:
        """The path of the kept plan; None where this stack was not previewed."""
        if self._content is None or self._stack != stack:
            yield None
            return
        with _private_file() as file:
            file.write_bytes(self._content)
            yield str(file)


@contextmanager
def _private_file() -> Iterator[Path]:
    # The folder is its owner's alone (mode 0700), whatever mode the engine writes the file with.
    with TemporaryDirectory(prefix="eonpro-kms-") as folder:
        yield Path(folder) / "plan.json"


def moved(stack: str, complaints: Sequence[tuple[str, str]]) -> StalePlan | None:
    """The refusal of a step that was not planned, of the engine's complaints (URN, text); None where none is one.

    The engine tells each property with its value, planned and found: here only its name is told.
    """
    refused = [each for each in complaints if _MOVED.search(each[1])]
    if not refused and all(_UNDONE.search(text) for _, text in complaints):
        refused = list(complaints)
    if not refused:
        return None
    return _refusal(stack, dict.fromkeys(_in_words(urn, text) for urn, text in refused))


def outputs_moved(stack: str) -> StalePlan:
    """The refusal of stack outputs that were not planned, which the engine does not explain (3.259): it just fails."""
    return _refusal(stack, ["the stack's outputs would become something else than planned"])


def causes(failures: Sequence[str]) -> list[str]:
    """The failures without those that only follow: after any other one, what was planned besides is left undone."""
    return [text for text in failures if not _UNDONE.search(text)]


def _refusal(stack: str, told: Iterable[str]) -> StalePlan:
    return StalePlan(
        "stopped before anything was done that the plan did not show: " + "; ".join(told),
        f"run the same command again: it shows the plan as it is now (stack {stack})",
    )


def _in_words(urn: str, text: str) -> str:
    found = _URN.search(text)
    name = (found.group() if found else urn).rsplit("::", 1)[-1] or "a resource"
    if would := _WOULD.search(text):
        planned = f"not {would.group(2)} as planned" if would.group(2) else "which the plan did not have"
        return f"{name} would be told to {would.group(1)}, {planned}"
    if "none were seen" in text:
        return f"{name} would be left alone, and was to be changed"
    names = dict.fromkeys(_PROPERTY.findall(text.partition("properties changed: ")[2]))
    properties = f" ({', '.join(names)})" if names else ""
    return f"{name} would become something else than planned{properties}"
