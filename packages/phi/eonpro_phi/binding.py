"""What the records of a column are bound to: one definition for the adapters, for the commands and for the scan.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, cast

from eonpro_phi.binary.record import MAGIC, Bytes, looks_binary
from eonpro_phi.record import V2, names_of, place

ROW = "row"
"""Of `bound=`: the column and the row."""


class Form(StrEnum):
    """How a record is bound, and whose key it is under: the words of `reads=`, of `--reads`, of errors and `scan`."""

    UNBOUND = "unbound"
    """Of no place, under the data key: every record of version 1, and those of version 2 without a context."""
    COLUMN = "column"
    ROW = "row"
    """Of a column's row."""
    TENANT = "tenant"
    """Of no place, under the key of the row's tenant."""
    TENANT_COLUMN = "tenant+column"
    TENANT_ROW = "tenant+row"

    @classmethod
    def of(cls, bound: bool | str, *, tenant: bool) -> Self:
        """The form that a declaration asks for; `bound` is False, True or "column", or "row"."""
        words = ["tenant"] * tenant + ([] if not bound else [ROW if bound == ROW else "column"])
        return cls("+".join(words) or "unbound")

    @property
    def of_tenant(self) -> bool:
        """Whether it is under the key of a tenant."""
        return self.value.startswith("tenant")

    @property
    def bound(self) -> str:
        """ "column", "row", or nothing."""
        word = self.value.rpartition("+")[2]
        return word if word in ("column", ROW) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """What the records of one column are bound to, and which earlier forms are read beside."""

    place: str
    """The column's name for keys: `place(table, column)`, or what its declaration says."""
    form: Form | None = None
    """None for a command that keeps the form of each record."""
    reads: tuple[Form, ...] = ()

    def forms(self, *, tenant: bool) -> tuple[Form, ...]:
        """The forms that are read, the one that is written first."""
        own = (self.form,) if self.form else tuple(form for form in Form if form.of_tenant is tenant)
        return (*own, *self.reads)

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of the texts that may stand in the column: 1 is bound to nothing and of no tenant."""
        return (1, 2) if Form.UNBOUND in (self.form, *self.reads) else (2,)

    def context(self, form: Form, row: str = "") -> str:
        """The context of a record of this form; `row` is the text of the row's key."""
        return f"{self.place}:{row}" if form.bound == ROW else self.place if form.bound else ""


def may_be_bound(record: object) -> bool:
    """Whether a stored value is of a version that a place or a tenant can be part of: version 2, or binary."""
    return record.startswith(V2) if isinstance(record, str) else looks_binary(bytes(cast(Bytes, record)[: len(MAGIC)]))


def binding(
    table: str,
    column: str,
    *,
    bound: bool | str = False,
    tenant: bool = False,
    reads: str | Iterable[str] = (),
    name: str | None = None,
) -> Binding:
    """The binding of a column by the options of its declaration. Raises ValueError for one that is none.

    >>> binding("patient", "email", bound="row", reads="unbound").forms(tenant=False)
    (<Form.ROW: 'row'>, <Form.UNBOUND: 'unbound'>)
    """
    if not isinstance(bound, bool) and bound != ROW:
        raise ValueError('bound is False, True for the column of a record, or "row" for its row too')
    if name is not None:
        names_of(name)
    form, earlier = Form.of(bound, tenant=tenant), reads_of(reads)
    if earlier and not form.bound and not tenant:
        raise ValueError("reads names the earlier forms of a column with bound or tenant")
    beyond = [each for each in earlier if each.of_tenant > tenant or (each.bound == ROW) > (bound == ROW)]
    if form in earlier or beyond:
        raise ValueError(f"reads names earlier forms of a column of the form {form}, which needs no more than that")
    return Binding(place=name or (place(table, column) if table else "the column"), form=form, reads=earlier)


def reads_of(reads: str | Iterable[str]) -> tuple[Form, ...]:
    """The forms that a declaration or a command line names. Raises ValueError for another word."""
    words = [reads] if isinstance(reads, str) else [*reads]
    if unknown := [word for word in words if word not in [*Form]]:
        raise ValueError(f"reads is {', '.join(Form)}, or several of them; not {', '.join(unknown)}")
    return tuple(map(Form, words))
