"""Django's settings for these tests: a process has one set of settings, whichever test module loads first.

Touches the settings.
"""

from __future__ import annotations

import django
from django.conf import settings

from eonpro_phi import PhiCipher

CIPHER = PhiCipher(bytes(range(32)))
ANOTHER = PhiCipher(bytes(32))

calls: list[str] = []


def cipher() -> PhiCipher:
    """The callable in the settings."""
    calls.append("cipher")
    return CIPHER


def another_cipher() -> PhiCipher:
    """The callable of a field with another key."""
    return ANOTHER


settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"},
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    EONPRO_PHI_FIELDS=cipher,
    INSTALLED_APPS=[],
    SECRET_KEY="of these tests",
)
django.setup()
