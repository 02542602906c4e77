"""The processes of one session: who they are, and their end, all at once, as when a machine loses its power.

Sends signals to the session that it is given.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from sandbox.pulumi_plugins.install import PLUGIN


def session(sid: int) -> list[int]:
    """The processes of a session, this one left out."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with suppress(ProcessLookupError):
                if os.getsid(int(name)) == sid and not _is_over(int(name)):
                    found.append(int(name))
    return found


def kill_session(sid: int) -> None:
    """SIGKILL to every process of a session; stopped first, none can start another meanwhile."""
    while sid and (found := session(sid)):
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, what)


def kill_plugin(sid: int) -> bool:
    """SIGKILL to the session's AWS plug-in alone, as by a kernel without memory; whether there was one."""
    plugins = [pid for pid in session(sid) if is_plugin(pid)]
    for pid in plugins:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(plugins)


def is_plugin(pid: int) -> bool:
    """Whether this is the AWS plug-in: the stand-in, or a program with the name that Pulumi gives it."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as arguments:
            program, *rest = arguments.read().split(b"\0")
    except OSError:
        return False
    return PLUGIN.encode() in program or any(b"pulumi_plugins.provider" in argument for argument in rest)


def _is_over(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True
