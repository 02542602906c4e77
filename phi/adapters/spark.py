"""Columns for Spark, for data on more than one machine: pandas UDFs that encrypt, decrypt and re-encrypt.

Touches what the injected functions touch, on the executors: each task gets its key from them once; no key is sent.

    spark.read.table("patients").withColumn("name", reencrypt(new=new_key, old=old_key)("name"))

An injected function returns a PhiFields. Spark pickles the function: by name where its module is installed on the
executors. A function that carries a PhiFields is refused, because a PhiFields cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql.functions import pandas_udf

from phi.adapters import columns
from phi.adapters.injected import FieldCipher

CipherFactory = Callable[[], FieldCipher]
"""A function that an executor calls for its cipher, such as `PhiFields.from_environment`."""


def encrypt(fields: CipherFactory) -> Any:
    """A function of a column of texts: their records. None and "" become NULL."""
    return _udf(lambda batches: columns.encrypt_batches(fields(), batches), fields).asNondeterministic()


def decrypt(fields: CipherFactory) -> Any:
    """A function of a column of records: their texts. A record that cannot be decrypted fails the job."""
    return _udf(lambda batches: columns.decrypt_batches(fields(), batches), fields)


def reencrypt(*, new: CipherFactory, old: CipherFactory) -> Any:
    """A function of a column of records: those of the old key under the new key, all else unchanged."""
    return _udf(lambda batches: columns.reencrypt_batches(new(), old(), batches), new, old).asNondeterministic()


def record_state(*, new: CipherFactory, old: CipherFactory) -> Any:
    """A function of a column of records: for each "empty", "new", "old" or "neither".

    Grouped and counted it is the dry run. Delete the old key when no "old" is left, and no "neither" that is needed. It
    is a column and not an accumulator, because Spark counts a row again when it computes it again.
    """
    return _udf(lambda batches: columns.record_states(new(), old(), batches), new, old)


def _udf(transform: Callable[[Iterable[columns.Batch]], Iterator[Any]], *factories: CipherFactory) -> Any:
    for factory in factories:
        if not callable(factory):
            raise TypeError("Pass a function that returns a PhiFields: each executor calls it to get its own key.")

    def apply(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        # NULL arrives as None or as NaN, depending on the version of pandas; dtype=object keeps None in the result.
        lists = ([value if isinstance(value, str) else None for value in batch] for batch in batches)
        return (pd.Series(values, dtype=object) for values in transform(lists))

    return pandas_udf(apply, "string")
