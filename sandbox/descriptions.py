"""botocore's descriptions of the services, read once in the emulator's process and not by each of its sessions.

Touches botocore in this process.
"""

from __future__ import annotations

from functools import cache

import botocore.session


def read_each_once() -> None:
    """Let all sessions of this process share what they have read; to be called before moto is loaded.

    moto makes sessions in dozens of places, and each would list 400 services and read the same megabytes of JSON: half
    of the server's start.
    """
    botocore.session.create_loader = cache(botocore.session.create_loader)
