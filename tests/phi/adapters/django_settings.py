"""Django's settings for these tests: there is one set of them in a process, whichever file comes first.

Touches the settings.
"""

from __future__ import annotations

import django
from django.conf import settings

from phi import PhiCipher

CIPHER = PhiCipher(bytes(range(32)))
ANOTHER = PhiCipher(bytes(32))

asked: list[str] = []


def door() -> PhiCipher:
    """What the settings name."""
    asked.append("door")
    return CIPHER


def another_door() -> PhiCipher:
    """What a field under another key names."""
    return ANOTHER


settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"},
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    EONPRO_PHI_FIELDS=door,
    INSTALLED_APPS=[],
)
django.setup()
