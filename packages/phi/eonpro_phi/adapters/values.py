"""The text of each type of value, which the record is of: the same for every adapter, so that one reads the other's.

Touches nothing. A value of another type is refused, because its text would come back as something else.

| type | text |
|---|---|
| date | `1980-01-31` |
| datetime | in UTC, with microseconds where there are any: `2026-11-29T22:45:27.123456Z` |
| int | its digits: `-7` |
| Decimal | its digits, never an exponent: `1.50` |
| JSON | without spaces, characters as they are, members in their order: `{"a":[1,"é"]}` |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from eonpro_phi.errors import InvalidValue

_INTEGER = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class ValueForm:
    """How the values of a type become texts, and texts values."""

    name: str
    """For messages: "a date"."""
    to_text: Callable[[Any], str | None]
    """None for a value of another type."""
    to_value: Callable[[str], Any]
    """Raises ValueError for a text of another form."""

    def dump(self, value: Any) -> str | None:
        """The text of a value; None for None. Raises InvalidValue, which does not repeat the value."""
        if value is None:
            return None
        try:
            text = self.to_text(value)
        except (TypeError, ValueError, RecursionError):
            text = None
        # Outside the handler, whose error holds the value.
        if text is None:
            raise InvalidValue(f"The value is not {self.name}.")
        return text

    def load(self, text: str | None) -> Any:
        """The value of a text; None for None. Raises InvalidValue for a text of another form."""
        if text is None:
            return None
        try:
            return self.to_value(text)
        except (ValueError, RecursionError):
            pass
        raise InvalidValue(f"The stored text is not that of {self.name}.")


def _date(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else None


def _datetime(value: Any) -> str | None:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _to_datetime(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.utcoffset() is None:
        raise ValueError
    return value.astimezone(UTC)


def _integer(value: Any) -> str | None:
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else None


def _matching(pattern: re.Pattern[str], convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def to_value(text: str) -> Any:
        if not pattern.fullmatch(text):
            raise ValueError
        return convert(text)

    return to_value


def _decimal(value: Any) -> str | None:
    return format(value, "f") if isinstance(value, Decimal) and value.is_finite() else None


def _json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


BYTES = ValueForm(name="bytes", to_text=lambda _: None, to_value=str)
"""Bytes have no text: their record is binary."""
DATE = ValueForm(name="a date", to_text=_date, to_value=date.fromisoformat)
DATETIME = ValueForm(name="a datetime with a time zone", to_text=_datetime, to_value=_to_datetime)
INTEGER = ValueForm(name="a whole number", to_text=_integer, to_value=_matching(_INTEGER, int))
DECIMAL = ValueForm(name="a finite Decimal", to_text=_decimal, to_value=_matching(_DECIMAL, Decimal))
JSON = ValueForm(name="JSON", to_text=_json, to_value=json.loads)
