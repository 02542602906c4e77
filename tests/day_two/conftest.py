"""Clinics for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

from tests.onboarding.conftest import clinic as clinic
from tests.onboarding.conftest import on_ecs as on_ecs
from tests.onboarding.conftest import onboarded as on_vercel  # noqa: F401
