"""What the started programs get of the caller's environment and of pip's configuration."""

from __future__ import annotations

from tools.bootstrap.environment import cleaned, for_uv, offline_arguments, pip_settings
from tools.bootstrap.go import build_environment
from tools.bootstrap.running import CommandFailed, Job


def test_what_would_install_elsewhere_or_build_another_program_is_taken_out():
    harmful = dict.fromkeys(("PYTHONPATH", "PIP_TARGET", "VIRTUAL_ENV", "UV_PYTHON", "UV_CONSTRAINT", "GOOS"), "x")
    assert cleaned({**harmful, "PATH": "/bin"}) == {"PATH": "/bin"}


def test_where_packages_come_from_and_the_proxy_stay():
    kept = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX_MIRROR_PASSWORD", "HTTPS_PROXY", "GOPROXY"), "x")
    assert cleaned(kept) == kept


def test_pips_own_configuration_is_read_as_pip_ranks_it():
    def pip(job: Job) -> str:
        assert job.private
        return ":env:.index-url='https://from-env/'\nglobal.cert='/a b/ca.pem'\nglobal.index-url='https://from-file/'"

    assert pip_settings(pip, {}) == {"index-url": "https://from-env/", "cert": "/a b/ca.pem"}


def test_a_machine_without_pip_has_no_pip_configuration():
    def pip(job: Job) -> str:
        raise CommandFailed("pip", "ended with exit code 1")

    assert pip_settings(pip, {}) == {}


def test_pips_index_certificate_and_proxy_reach_uv_as_variables():
    pip = {
        "index-url": "https://me:secret@mirror/",
        "extra-index-url": "https://b/",
        "cert": __file__,
        "proxy": "http://p",
    }
    made = for_uv({}, pip)
    assert made["UV_DEFAULT_INDEX"] == "https://me:secret@mirror/"
    assert made["UV_INDEX"] == "https://b/"
    assert made["SSL_CERT_FILE"] == __file__
    assert made["HTTPS_PROXY"] == "http://p"


def test_uvs_own_index_is_preferred_to_pips():
    assert for_uv({"UV_DEFAULT_INDEX": "https://own/"}, {"index-url": "https://pip/"}) == {
        "UV_DEFAULT_INDEX": "https://own/"
    }


def test_folders_of_files_replace_the_index_only_where_pip_is_told_so():
    assert offline_arguments({"find-links": "/wheels"}) == ()
    assert offline_arguments({"find-links": "/a /b", "no-index": "true"}) == (
        "--no-index",
        "--find-links",
        "/a",
        "--find-links",
        "/b",
    )


def test_the_engine_is_built_without_another_toolchain_a_compiler_or_a_change_of_its_pins():
    made = build_environment({"GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod"})
    assert made["GOTOOLCHAIN"] == "local"
    assert "-mod=readonly" in made["GOFLAGS"].split()
    assert made["CGO_ENABLED"] == "0"
