"""Columns for Spark, the way past one machine: pandas UDFs that encrypt, decrypt and re-encrypt.

Touches what the given functions touch, on the executors: each task has its key from them, once; no key travels.

    spark.read.table("patients").withColumn("name", reencrypt(new=new_key, old=old_key)("name"))

A function that is given here returns a PhiFields; it is pickled, by its name where its module is installed on the
executors. A PhiFields that it would bring along is refused, for it cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql.functions import pandas_udf

from phi.adapters import columns
from phi.adapters.given import Fields

Opening = Callable[[], Fields]
"""A function that an executor calls for its fields, such as `PhiFields.from_environment`."""


def encrypt(fields: Opening) -> Any:
    """A function of a column of texts: their records. None and "" become NULL."""
    return _udf(lambda batches: columns.encrypted(fields(), batches), fields).asNondeterministic()


def decrypt(fields: Opening) -> Any:
    """A function of a column of records: their texts. A record that does not open fails the job (RecordRefused)."""
    return _udf(lambda batches: columns.decrypted(fields(), batches), fields)


def reencrypt(*, new: Opening, old: Opening) -> Any:
    """A function of a column of records: those under the old key written under the new, all else as it is."""
    return _udf(lambda batches: columns.reencrypted(new(), old(), batches), new, old).asNondeterministic()


def standing(*, new: Opening, old: Opening) -> Any:
    """A function of a column of records: for each "empty", "new", "old" or "neither".

    Grouped and counted it is the dry run; the old key may go when no "old" is left, and no "neither" that is needed. It
    is a column and no accumulator, because Spark counts again what it computes again.
    """
    return _udf(lambda batches: columns.standings(new(), old(), batches), new, old)


def _udf(transform: Callable[[Iterable[columns.Batch]], Iterator[Any]], *given: Opening) -> Any:
    for one in given:
        if not callable(one):
            raise TypeError("Give a function that returns a PhiFields: executors call it for a key of their own.")

    def over(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        # NULL comes as None or as NaN, by the version of pandas; a series made of texts alone would bring NaN back.
        lists = ([one if isinstance(one, str) else None for one in batch] for batch in batches)
        return (pd.Series(values, dtype=object) for values in transform(lists))

    return pandas_udf(over, "string")
