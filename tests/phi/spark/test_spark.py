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

from phi.adapters.spark import decrypt, encrypt, reencrypt, standing
from phi.errors import DecryptionError

pytestmark = pytest.mark.thorough

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
CLUSTER = "local-cluster[2,1,1024]"
PARTITIONS = 4
ROWS = 2_000


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the executors note each unwrap."""
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def executors(notes: Path) -> Iterator[ModuleType]:
    """The module that gives the executors their keys, importable here and there by its name."""
    sys.path.insert(0, str(HERE))
    import executor_keys  # type: ignore[import-not-found, unused-ignore]

    yield executor_keys
    sys.path.remove(str(HERE))


@pytest.fixture(scope="module")
def spark(notes: Path, executors: ModuleType) -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(CLUSTER).appName("phi")
    for name, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executorEnv.PYTHONPATH": f"{PROJECT}{os.pathsep}{HERE}",
        f"spark.executorEnv.{executors.FOLDER}": str(notes),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # So that a column is computed by as many tasks as it has partitions, and once.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": str(PARTITIONS),
        "spark.task.maxFailures": "1",
        "spark.sql.warehouse.dir": str(notes.parent / "warehouse"),
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def frame(spark: SparkSession, values: list[str | None]) -> DataFrame:
    return spark.createDataFrame(list(enumerate(values)), "id long, name string").repartition(PARTITIONS, "id")


def names(found: DataFrame) -> list[str | None]:
    # In order here, for Spark would compute the column once more to see how to sort it.
    return [row.name for row in sorted(found.collect(), key=lambda row: int(row.id))]


def counts(found: DataFrame, column: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in found.groupBy(column("name")).count().collect()}


def test_texts_become_records_and_texts_again_on_the_executors_alone(
    spark: SparkSession, executors: ModuleType, notes: Path
):
    texts = [None if n % 7 == 0 else f"Jöhn Dœ {n} 患者" for n in range(ROWS)]
    records = names(frame(spark, texts).withColumn("name", encrypt(executors.new_key)("name")))
    noted = [note.name.split() for note in notes.iterdir()]
    assert len(noted) == PARTITIONS, "not one key a task"
    assert str(os.getpid()) not in {pid for _, pid, _ in noted}, "the driver had a key"
    assert len({pid for _, pid, _ in noted}) >= 2, "one process did it all"
    assert executors.new_key().decrypt_many(records) == texts
    assert len(set(records)) == len([text for text in texts if text]) + 1

    assert names(frame(spark, records).withColumn("name", decrypt(executors.new_key)("name"))) == texts


def test_a_re_encryption_leaves_nothing_under_the_old_key_and_is_repeated_without_a_change(
    spark: SparkSession, executors: ModuleType
):
    old, new, another = (make() for make in (executors.old_key, executors.new_key, executors.another_key))
    keys = {"new": executors.new_key, "old": executors.old_key}
    values: list[str | None] = [None if n % 50 == 0 else old.encrypt(str(n)) for n in range(ROWS)]
    values += [new.encrypt("already"), another.encrypt("lost"), "plain text", ""]
    before = frame(spark, values)
    empty = ROWS // 50 + 1
    assert counts(before, standing(**keys)) == {"empty": empty, "old": ROWS - empty + 1, "new": 1, "neither": 2}

    once = names(before.withColumn("name", reencrypt(**keys)("name")))
    after = frame(spark, once)
    assert counts(after, standing(**keys)) == {"empty": empty, "new": ROWS - empty + 2, "neither": 2}
    assert once[ROWS:] == values[ROWS:], "what was not the old key's changed"
    assert new.decrypt_many(once[:ROWS]) == [None if n % 50 == 0 else str(n) for n in range(ROWS)]
    assert names(after.withColumn("name", reencrypt(**keys)("name"))) == once


def test_a_record_that_does_not_open_fails_the_job_and_tells_no_text(spark: SparkSession, executors: ModuleType):
    records = [executors.new_key().encrypt("Jane Secret"), executors.old_key().encrypt("Joe Secret")]
    with pytest.raises(PySparkException) as caught:
        names(frame(spark, records).withColumn("name", decrypt(executors.new_key)("name")))
    assert DecryptionError.__name__ in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_a_key_of_the_driver_s_cannot_travel(spark: SparkSession, executors: ModuleType):
    fields = executors.new_key()
    fields.encrypt("a key is held")
    with pytest.raises(Exception, match="not copied or pickled"):
        names(frame(spark, ["Jane"]).withColumn("name", encrypt(lambda: fields)("name")))
    with pytest.raises(TypeError, match="Give a function"):
        encrypt(fields)


def test_what_travels_names_the_function_and_holds_no_key(spark: SparkSession, executors: ModuleType):
    from pyspark.cloudpickle import dumps

    travels = dumps(encrypt(executors.new_key).func)
    assert b"new_key" in travels and b"executor_keys" in travels
    assert b"new".ljust(32, b"*") not in travels


def test_spark_knows_that_no_two_encryptions_are_alike(spark: SparkSession, executors: ModuleType):
    """It would compute one of two equal expressions, and give its result for both."""
    column = encrypt(executors.new_key)
    (row,) = frame(spark, ["Jane"]).select(column("name").alias("one"), column("name").alias("other")).collect()
    assert row.one != row.other
    assert executors.new_key().decrypt_many([row.one, row.other]) == ["Jane", "Jane"]


def test_the_usage_page_s_job_runs_as_it_stands(
    spark: SparkSession, executors: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    page = (PROJECT / "docs" / "phi.md").read_text()
    job = next(block for block in page.split("```python\n") if block.startswith("# on Spark\n")).split("```")[0]
    monkeypatch.setitem(sys.modules, "clinic_keys", executors)
    frame(spark, executors.old_key().encrypt_many(["a", "b", "c"])).toDF("id", "email").createTempView("patients")
    exec(compile(job, "docs/phi.md", "exec"), {"spark": spark})
    told = [line.replace(" ", "") for line in capfd.readouterr().out.splitlines() if line.startswith("|")]
    assert told[1:] == ["|old|3|", told[2], "|new|3|"]
