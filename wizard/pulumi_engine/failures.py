"""Extracts the causes of a failed run from the output of the engine and its plug-ins, each on one line.

Pure.
"""

import re
from collections.abc import Iterator, Sequence

from wizard.core.safe_text import without_authorization_id

_FOLLOWS = re.compile(r"expected resource operations for \S+ but none were seen")
"""After any failure the rest of the plan is not applied."""
_SOURCE = re.compile(r"^\S+\.go:\d+: (?:sdk\.[\w.]+: )?")
"""A source position that the bridged provider prints: `sdk-v2/provider2.go:572: sdk.helper_schema: `."""
_PROVIDER = re.compile(r": provider=aws@\S+$")
_WRAPPER = re.compile(r"\d+ errors? occurred:\s*\* |(?:creating|updating|deleting|reading) urn:pulumi:\S+: ")
_NOISE = re.compile(
    r"(?:https response error )?StatusCode: \d+, |RequestID: [^\s,]*, |HostID: [^\s,]*, |,? ?status code: \d+"
    r"|, request id: [^\s,:]+"
)
_SPACE = re.compile(r"\s+")
_DIED = re.compile(
    r"error reading from server: |transport: Error while dialing|exited prematurely|code = Unavailable|plugin exited"
    r"|transport is closing|could not connect to plugin|the provider process"
)
"""A plug-in that is gone: the call under way, those after it, and the engine's own remark."""
_FULL = re.compile(r"failed to save snapshot: .*?(?:blob .*?: )?(?:\w+ )?(\S+): no space left on device", re.DOTALL)

DISK_FULL = "the disk with the stack's state is full"
MAKE_ROOM = "make room there, then run the same command again: what AWS has made becomes part of the stack"
PLUGIN_DIED = (
    "Pulumi's plug-in for AWS was killed or crashed in the middle of the update, as for lack of memory; AWS may have "
    "carried out what it was asked for last"
)


def causes(failures: Sequence[str]) -> list[str]:
    """The failures without those that only follow, each once and on one line, as the service says it."""
    lines: list[str] = []
    for failure in failures:
        if _FOLLOWS.search(failure):
            continue
        if _DIED.search(failure):
            lines.append(PLUGIN_DIED)
        elif full := _FULL.search(failure):
            # The name of the file is of a temporary one beside the state.
            folder = full.group(1).rpartition("/")[0]
            lines.append(f"{DISK_FULL}: {folder or full.group(1)}")
        else:
            lines += _parts(failure)
    return list(dict.fromkeys(lines))


def next_step(lines: Sequence[str]) -> str:
    """The advice for these causes."""
    if PLUGIN_DIED in lines:
        return "run the same command again: what AWS has made becomes part of the stack"
    if any(line.startswith(DISK_FULL) for line in lines):
        return MAKE_ROOM
    return "fix the cause, then run the same command again: existing resources stay"


def _parts(failure: str) -> Iterator[str]:
    """Each error of a failure. The provider reports its error twice, the second time with the URN."""
    text = _PROVIDER.sub("", _SOURCE.sub("", without_authorization_id(failure).strip()))
    for part in re.split(r"\n\s*\* ", _WRAPPER.sub("", text)):
        line = _SPACE.sub(" ", _NOISE.sub("", part)).strip()
        line = _PROVIDER.sub("", _SOURCE.sub("", line))
        if line:
            yield line
