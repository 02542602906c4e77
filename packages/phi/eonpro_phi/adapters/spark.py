"""Columns for Spark, for data on more than one machine: pandas UDFs that encrypt, decrypt, re-encrypt and index.

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

from eonpro_phi.adapters import columns
from eonpro_phi.adapters.injected import FieldCipher
from eonpro_phi.search.indexes import ExactIndex, WordIndex

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


def search_value(fields: CipherFactory, index: ExactIndex, *, clinic: bool = False) -> Any:
    """A function of a column of texts: the values of its search column. With `clinic` the column of the clinics, as
    strings, is its second argument.
    """
    return _search_udf(fields, "string", lambda source, texts, of: source.search_value(index, texts[0], of), clinic)


def search_tokens(fields: CipherFactory, index: WordIndex, *, clinic: bool = False) -> Any:
    """A function of the searched columns of texts: the tokens of each row. With `clinic` the column of the clinics, as
    strings, is its last argument.
    """
    return _search_udf(fields, "array<int>", lambda source, texts, of: source.search_tokens(index, texts, of), clinic)


def _search_udf(
    fields: CipherFactory, kind: str, make: Callable[[Any, list[str | None], str], Any], clinic: bool
) -> Any:
    _require_factories(fields)

    def apply(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        source = fields()
        for batch in batches:
            values = []
            # Of one column Spark gives the series itself.
            for row in zip(*((batch,) if isinstance(batch, pd.Series) else batch), strict=True):
                texts = [value if isinstance(value, str) else None for value in row]
                if clinic and texts[-1] is None and pd.notna(row[-1]):
                    raise TypeError("Cast the clinic to a string: as a number it may arrive as 7.0.")
                of = (texts.pop() or "") if clinic else ""
                values.append(make(source, texts, of))
            yield pd.Series(values, dtype=object)

    return pandas_udf(apply, kind)


def _udf(transform: Callable[[Iterable[columns.Batch]], Iterator[Any]], *factories: CipherFactory) -> Any:
    _require_factories(*factories)

    def apply(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        # NULL arrives as None or as NaN, depending on the version of pandas; dtype=object keeps None in the result.
        lists = ([value if isinstance(value, str) else None for value in batch] for batch in batches)
        return (pd.Series(values, dtype=object) for values in transform(lists))

    return pandas_udf(apply, "string")


def _require_factories(*factories: CipherFactory) -> None:
    for factory in factories:
        if not callable(factory):
            raise TypeError("Pass a function that returns a PhiFields: each executor calls it to get its own key.")
