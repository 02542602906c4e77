"""The log filter and the traceback without PHI: what they remove, and what they say that they cannot."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from eonpro_phi import DecryptionError, PhiCipher
from eonpro_phi.log_filter import RECORD, REMOVED, PhiLogFilter, format_exception, holds_phi, shortened
from eonpro_phi.reencryption.embedded import embedded_records
from eonpro_phi.reencryption.json_fields import texts_of_fields
from eonpro_phi.reencryption.statements import Rows

ROOT = Path(__file__).parents[2]
CIPHER = PhiCipher(bytes(32))
SECRET = "Jöhn-Dœ"

Log = tuple[logging.Logger, io.StringIO]


@pytest.fixture
def log() -> Log:
    """A logger with one handler that has the filter, and what the handler has written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(message)s|%(patient)s", defaults={"patient": ""}))
    handler.addFilter(PhiLogFilter(names=["mrn"]))
    logger = logging.Logger("alone")  # without a parent: no other handler sees the records
    logger.addHandler(handler)
    return logger, written


def records() -> dict[str, Any]:
    """A record of every form."""
    binary = CIPHER.encrypt_bytes(SECRET.encode()) or b""
    stream = BytesIO()
    CIPHER.encrypt_stream(BytesIO(SECRET.encode()), stream)
    return {
        "version 1": CIPHER.encrypt(SECRET),
        "version 2": CIPHER.encrypt_v2(SECRET, "Patient.firstName"),
        "bytes": binary,
        "bytes in hex, as PostgreSQL shows them": "\\x" + binary.hex(),
        "a stream": stream.getvalue()[:200],
        "JSON": json.dumps({"a": CIPHER.encrypt(SECRET)}),
    }


@pytest.mark.parametrize("form", records())
def test_a_record_is_shortened_wherever_it_stands(form: str, log: Log) -> None:
    logger, written = log
    record = records()[form]
    logger.warning("whole %s, %r", record, {"deep": [record]}, extra={"patient": [record]})
    logger.warning(f"in the message {record}")
    output = written.getvalue()
    assert output.count(RECORD) == 4 and len(output) < 250
    assert not any(part in output for part in (str(record)[20:60], str(record)[-12:-2]))


def test_values_under_the_names_of_fields_are_removed(log: Log) -> None:
    logger, written = log
    patient = {"id": 7, "firstName": SECRET, "first_name": SECRET, "plan": "basic", "MRN": SECRET}
    logger.warning("stored %s", patient, extra={"email": SECRET, "patient": {"inner": (patient, [patient])}})
    logger.warning("%(id)d %(email)s", {"id": 7, "email": SECRET})
    output = written.getvalue()
    assert SECRET not in output and "'plan': 'basic'" in output and f"7 {REMOVED}" in output


def test_what_is_no_phi_is_written_as_before(log: Log) -> None:
    logger, written = log
    logger.warning("%d of %5.2f, %s, %x, %r, {}", 7, Decimal("1.5"), Path("a"), 255, None)
    logger.warning("a:b:c 12:30:00 https://example.org/v2:x")
    assert written.getvalue() == "7 of  1.50, a, ff, None, {}|\na:b:c 12:30:00 https://example.org/v2:x|\n"


def test_a_message_that_cannot_be_formatted_shows_no_argument(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger, written = log
    logger.warning("%d", records()["version 1"])
    logger.warning("%s %s", {"email": SECRET})
    output = capsys.readouterr().err + written.getvalue()
    assert "Logging error" in output and SECRET not in output and str(records()["version 1"])[50:] not in output


def test_deep_and_endless_values_are_cut(log: Log) -> None:
    endless: list[Any] = []
    endless.append(endless)
    log[0].warning("%s", endless)
    assert REMOVED in log[1].getvalue()


@holds_phi
def admit(patient: str, then: Callable[[], object]) -> object:
    return then() or int(patient)


def fails_plainly() -> object:
    raise LookupError(f"no bed for {SECRET}")


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except (ValueError, LookupError, DecryptionError, BaseExceptionGroup) as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_exception_through_a_marked_function_is_shown_without_messages(log: Log) -> None:
    logger, written = log

    def wrapped() -> None:
        try:
            admit(SECRET, lambda: None)
        except ValueError as error:
            error.add_note(SECRET)
            raise LookupError(SECRET) from error

    def in_a_group() -> None:
        raise BaseExceptionGroup(SECRET, [raised(wrapped)])

    for function in (lambda: admit(SECRET, lambda: None), lambda: admit("", fails_plainly), wrapped, in_a_group):
        error = raised(function)
        logger.error("failed", exc_info=error)
        assert SECRET not in format_exception(error)
    output = written.getvalue()
    assert SECRET not in output and "in admit" in output and f"ValueError: {REMOVED}" in output
    assert "direct cause" in output and "ExceptionGroup" in output


def test_an_error_of_phi_keeps_its_fixed_message_and_others_keep_theirs(log: Log) -> None:
    logger, written = log
    record = CIPHER.encrypt(SECRET)
    logger.error("failed", exc_info=raised(lambda: PhiCipher(bytes([1]) * 32).decrypt(record)))
    logger.error("failed", exc_info=raised(lambda: dict[object, object]()[record]))
    output = written.getvalue()
    assert "eonpro_phi.errors.DecryptionError: The record cannot be decrypted." in output
    assert f"KeyError: '{RECORD}'" in output and str(record) not in output


def test_a_reporter_behind_the_filter_finds_no_frames(log: Log) -> None:
    kept: list[logging.LogRecord] = []

    class Reporter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    reporter = Reporter()
    log[0].addHandler(reporter)
    log[0].error("failed", exc_info=raised(lambda: admit(SECRET, lambda: None)))
    log[0].removeHandler(reporter)
    assert kept[0].exc_info is None and "in admit" in (kept[0].exc_text or "")


def test_what_it_cannot_know_stays_as_its_documentation_says(log: Log) -> None:
    log[0].warning(f"patient {SECRET}")
    assert SECRET in log[1].getvalue()


PROGRAM = """
import threading
from eonpro_phi.log_filter import holds_phi, install_excepthook
install_excepthook()

@holds_phi
def admit(patient):
    raise ValueError(patient)

thread = threading.Thread(target=admit, args=("the patient",))
thread.start()
thread.join()
admit("the patient")
"""


def test_exceptions_that_nobody_caught_are_written_without_their_messages() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count(f"ValueError: {REMOVED}") == 2 and "the patient" not in done.stderr


def test_it_is_configured_as_any_filter() -> None:
    configured = logging.config.DictConfigurator({"version": 1}).configure_filter(
        {"()": "eonpro_phi.log_filter.PhiLogFilter", "names": ["mrn"]}
    )
    assert isinstance(configured, PhiLogFilter)


def test_the_values_of_phi_show_no_text() -> None:
    found = embedded_records(json.dumps({"a": CIPHER.encrypt(SECRET)}), CIPHER.decrypt)
    assert found[0].opened == SECRET and SECRET not in repr(found)
    texts = texts_of_fields(json.dumps({"a": "Jane"}), {"a"})
    assert texts is not None and texts.texts[0].text == "Jane" and "Jane" not in repr(texts)
    assert SECRET not in repr(Rows(keys=("1",), versions=("2",), values=((SECRET,),)))


def test_a_long_text_is_searched_in_one_pass() -> None:
    for text in ("A" * 10**6, "b'\\xf7phi" + "\\" * 10**6, "=:" * 10**6, "v2:" * 10**6):
        assert len(shortened(text)) <= len(text)
