"""Which checks there are.

Pure.
"""

from __future__ import annotations

from wizard.doctor.diagnosis import Check

OF_ACCESS: tuple[Check, ...] = ()
"""Whether the application can open its key: what a failed proof asks for."""

OF_THE_REST: tuple[Check, ...] = ()
"""The trail, the stack, what runs."""

ALL: tuple[Check, ...] = (*OF_ACCESS, *OF_THE_REST)
