"""Versions fit or not, and keys follow the pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bootstrap.pins import OFFICIAL_ENGINE, UV, Version, fingerprint, go_needed, module_version, pinned

ENGINE = Path(__file__).parents[3] / "tools" / "bootstrap" / "go_modules" / "engine" / "go.mod"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("v3.259.0\n", Version(3, 259, 0)),
        ("go version go1.26.8 linux/amd64", Version(1, 26, 8)),
        ("go version go1.25 darwin/arm64", Version(1, 25, 0)),
        ("uv 0.13.9 (x86_64-unknown-linux-gnu)", Version(0, 13, 9)),
        ("v3.260.0-alpha.1a2b", Version(3, 260, 0, "alpha.1a2b")),
        ("go version go1.26rc1 linux/amd64", Version(1, 26, 0, "rc1")),
        ("command not found", None),
    ],
)
def test_a_version_is_found_in_what_a_tool_says(said: str, version: Version | None):
    assert Version.find(said) == version


def test_versions_compare_as_numbers_and_not_as_text():
    assert Version(1, 9, 9) < Version(1, 25, 11) < Version(1, 26)


def test_a_pre_release_comes_before_its_release():
    assert Version(3, 259, 0, "alpha.1") < Version(3, 259, 0)


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        (Version(3, 258, 9), False),
        (Version(3, 259, 0, "alpha.1"), False),
        (Version(3, 259, 0), True),
        (Version(3, 999, 0), True),
        (Version(4), False),
    ],
)
def test_an_official_engine_fits_from_the_pinned_one_up_to_the_next_major(version: Version, fits: bool):
    assert (version in OFFICIAL_ENGINE) is fits


def test_a_uv_without_todays_options_does_not_fit():
    assert Version(0, 4, 30) not in UV


def test_a_key_changes_with_any_of_its_files_and_strings(tmp_path: Path):
    pins = tmp_path / "pins.txt"
    pins.write_text("a==1\n")
    before = fingerprint(pins, "linux")
    assert fingerprint(pins, "linux") == before
    assert fingerprint(pins, "darwin") != before
    pins.write_text("a==2\n")
    assert fingerprint(pins, "linux") != before


def test_a_key_does_not_confuse_where_one_part_ends():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_the_engine_module_says_which_go_and_which_engine():
    assert go_needed(ENGINE) == Version(1, 25, 11)
    assert module_version(ENGINE, "github.com/pulumi/pulumi/pkg/v3") in OFFICIAL_ENGINE


def test_a_missing_pin_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "r.txt").write_text("pulumi-aws==7.51.1\n")
    with pytest.raises(ValueError, match=r"r\.txt does not pin pulumi"):
        pinned(tmp_path / "r.txt", "pulumi")
