"""The columns for Spark on a local cluster: two executors, each a process of its own with Python processes of its own.

Touches this machine's ports and a folder of its own. `make spark-tests` runs it, in an environment that has Spark.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

if importlib.util.find_spec("pyspark") is None:
    pytest.skip("Spark has an environment of its own: make spark-tests", allow_module_level=True)

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from eonpro_phi.adapters.spark import decrypt, encrypt, record_state, reencrypt, search_tokens, search_value
from eonpro_phi.errors import DecryptionError
from eonpro_phi.search import ExactIndex, WordIndex

pytestmark = pytest.mark.thorough

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
CLUSTER = "local-cluster[2,1,1024]"
PARTITIONS = 4
ROWS = 2_000


@pytest.fixture(scope="module")
def unwrap_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the executors log each unwrap."""
    return tmp_path_factory.mktemp("unwraps")


@pytest.fixture(scope="module")
def executors(unwrap_log: Path) -> Iterator[ModuleType]:
    """The module with the executors' functions, importable in this process and in theirs."""
    sys.path.insert(0, str(HERE))
    import executor_keys  # type: ignore[import-not-found, unused-ignore]

    yield executor_keys
    sys.path.remove(str(HERE))


@pytest.fixture(scope="module")
def spark(unwrap_log: Path, executors: ModuleType) -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(CLUSTER).appName("phi")
    for name, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(map(str, (PROJECT, PROJECT / "packages" / "phi", HERE))),
        f"spark.executorEnv.{executors.FOLDER}": str(unwrap_log),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # So that each partition of a column is computed by one task, once.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": str(PARTITIONS),
        "spark.task.maxFailures": "1",
        "spark.sql.warehouse.dir": str(unwrap_log.parent / "warehouse"),
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def frame(spark: SparkSession, values: list[str | None]) -> DataFrame:
    return spark.createDataFrame(list(enumerate(values)), "id long, name string").repartition(PARTITIONS, "id")


def names(result: DataFrame) -> list[str | None]:
    # Sorted here: Spark would compute the column once more to sort it.
    return [row.name for row in sorted(result.collect(), key=lambda row: int(row.id))]


def counts(data: DataFrame, column: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in data.groupBy(column("name")).count().collect()}


def test_texts_are_encrypted_and_decrypted_only_on_the_executors(
    spark: SparkSession, executors: ModuleType, unwrap_log: Path
):
    texts = [None if n % 7 == 0 else f"Jöhn Dœ {n} 患者" for n in range(ROWS)]
    records = names(frame(spark, texts).withColumn("name", encrypt(executors.new_key)("name")))
    unwraps = [file.name.split() for file in unwrap_log.iterdir()]
    assert len(unwraps) == PARTITIONS, "each task must unwrap once"
    assert str(os.getpid()) not in {pid for _, pid, _ in unwraps}, "the driver had a key"
    assert len({pid for _, pid, _ in unwraps}) >= 2, "only one process worked"
    assert executors.new_key().decrypt_many(records) == texts
    assert len(set(records)) == len([text for text in texts if text]) + 1

    assert names(frame(spark, records).withColumn("name", decrypt(executors.new_key)("name"))) == texts


def test_a_re_encryption_leaves_nothing_under_the_old_key_and_a_second_one_changes_nothing(
    spark: SparkSession, executors: ModuleType
):
    old, new, another = (factory() for factory in (executors.old_key, executors.new_key, executors.another_key))
    keys = {"new": executors.new_key, "old": executors.old_key}
    values: list[str | None] = [None if n % 50 == 0 else old.encrypt(str(n)) for n in range(ROWS)]
    values += [new.encrypt("already"), another.encrypt("lost"), "plain text", ""]
    before = frame(spark, values)
    empty = ROWS // 50 + 1
    assert counts(before, record_state(**keys)) == {"empty": empty, "old": ROWS - empty + 1, "new": 1, "neither": 2}

    first = names(before.withColumn("name", reencrypt(**keys)("name")))
    after = frame(spark, first)
    assert counts(after, record_state(**keys)) == {"empty": empty, "new": ROWS - empty + 2, "neither": 2}
    assert first[ROWS:] == values[ROWS:], "a value that is not of the old key changed"
    assert new.decrypt_many(first[:ROWS]) == [None if n % 50 == 0 else str(n) for n in range(ROWS)]
    assert names(after.withColumn("name", reencrypt(**keys)("name"))) == first


def test_a_bad_record_fails_the_job_and_shows_no_text(spark: SparkSession, executors: ModuleType):
    records = [executors.new_key().encrypt("Jane Secret"), executors.old_key().encrypt("Joe Secret")]
    with pytest.raises(PySparkException) as caught:
        names(frame(spark, records).withColumn("name", decrypt(executors.new_key)("name")))
    assert DecryptionError.__name__ in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_a_table_is_indexed_with_the_values_that_the_library_looks_up(spark: SparkSession, executors: ModuleType):
    rows = [(n, None if n % 5 == 0 else f"Jöhn {n}", f"j.{n}@example.org", n % 3 or None) for n in range(200)]
    data = spark.createDataFrame(rows, "id long, name string, email string, clinic long").repartition(PARTITIONS, "id")
    email = ExactIndex(table="Patient", column="emailSearch", rule="email")
    words = WordIndex(table="Patient", column="searchTokens")
    clinic = data.clinic.cast("string")
    exact = search_value(executors.new_key, email, clinic=True)("email", clinic)
    tokens = search_tokens(executors.new_key, words, clinic=True)("name", "email", clinic)
    indexed = data.select(
        "id",
        exact.alias("exact"),
        tokens.alias("tokens"),
        search_tokens(executors.new_key, words)("name").alias("alone"),
    ).collect()
    fields = executors.new_key()
    assert sorted((row.id, row.exact, row.tokens, row.alone) for row in indexed) == [
        (
            n,
            fields.search_value(email, address, of or ""),
            fields.search_tokens(words, [name, address], of or ""),
            fields.search_tokens(words, [name]),
        )
        for n, name, address, of in rows
    ]
    with pytest.raises(PySparkException, match="Cast the clinic to a string"):
        data.select(search_value(executors.new_key, email, clinic=True)("email", "clinic")).collect()


def test_a_key_of_the_driver_cannot_be_sent(spark: SparkSession, executors: ModuleType):
    fields = executors.new_key()
    fields.encrypt("the key is cached")
    with pytest.raises(Exception, match="cannot be copied or pickled"):
        names(frame(spark, ["Jane"]).withColumn("name", encrypt(lambda: fields)("name")))
    with pytest.raises(TypeError, match="Pass a function"):
        encrypt(fields)


def test_the_pickled_udf_names_the_function_and_holds_no_key(spark: SparkSession, executors: ModuleType):
    from pyspark.cloudpickle import dumps

    pickled = dumps(encrypt(executors.new_key).func)
    assert b"new_key" in pickled and b"executor_keys" in pickled
    assert b"new".ljust(32, b"*") not in pickled


def test_spark_does_not_reuse_an_encryption(spark: SparkSession, executors: ModuleType):
    """For a deterministic function Spark computes one of two equal expressions, and uses its result for both."""
    column = encrypt(executors.new_key)
    (row,) = frame(spark, ["Jane"]).select(column("name").alias("one"), column("name").alias("other")).collect()
    assert row.one != row.other
    assert executors.new_key().decrypt_many([row.one, row.other]) == ["Jane", "Jane"]


def test_the_job_of_the_usage_page_runs_unchanged(
    spark: SparkSession, executors: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    page = (PROJECT / "docs" / "phi" / "rotate.md").read_text()
    job = next(block for block in page.split("```python\n") if block.startswith("# on Spark\n")).split("```")[0]
    monkeypatch.setitem(sys.modules, "clinic_keys", executors)
    frame(spark, executors.old_key().encrypt_many(["a", "b", "c"])).toDF("id", "email").createTempView("patients")
    exec(compile(job, "docs/phi/rotate.md", "exec"), {"spark": spark})
    table = [line.replace(" ", "") for line in capfd.readouterr().out.splitlines() if line.startswith("|")]
    assert table[1:] == ["|old|3|", table[2], "|new|3|"]
