"""Deployments that are set up once, for several folders of tests; and the tests that this machine cannot run.

A test that needs a program says so: `@pytest.mark.needs("postgresql")`. Where the program is missing, the test is left
out of the run; the end of the run names it, and the command that installs the program.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

import hypothesis
import pytest

from sandbox.pulumi_plugins.install import CHOICE, STANDIN
from tests.day_two.the_service import without_service
from tests.onboarding.deployment import Deployment, Templates
from tests.onboarding.loaded import remember_descriptions
from tools.bootstrap import programs

# A shell starts what runs in its background with SIGINT and SIGQUIT ignored, and `nohup` with SIGHUP. Every child
# inherits that: no test could interrupt the wizard that it starts, and a terminal that is closed would end nothing.
for number, action in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, action)

LEFT_OUT: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()
"""Missing program to the tests that need it; a worker of xdist hands its own to the process that prints the summary."""

THOROUGH: pytest.StashKey[int] = pytest.StashKey()
"""How many tests `-m 'not thorough'` left out; handed over likewise."""

SHARED: list[tuple[Deployment, tuple[list[str], list[str]]]] = []
"""Each deployment that several files use, and what was delivered there when it was made."""


remember_descriptions()

# A busy machine may take longer for an example.
hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")

# A passphrase is tried with a million rounds, a quarter of a second; few are tried, and often.
vars(hashlib)["pbkdf2_hmac"] = cache(hashlib.pbkdf2_hmac)


def pytest_report_header() -> str:
    """Which AWS plug-in the engine has in every deployment."""
    return f"AWS plug-in of the engine: {os.environ.get(CHOICE) or STANDIN}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays to the end: to look through it for garbage takes a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """moto's own server on loopback, in this process: AWS without the rules that the sandbox adds, for single calls."""
    from moto.server import ThreadedMotoServer

    from sandbox.aws.app import remember_lookups

    remember_lookups()
    # A test that breaks a connection off is no news.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Templates]:
    """Deployments that were set up once, to fork."""
    own = tmp_path_factory.getbasetemp()
    made = Templates((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "templates", own / "templates-made")
    yield made
    made.close()


@pytest.fixture(scope="session")
def onboarded(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment set up for Vercel, once; a test that changes it puts it back."""
    with templates.fork(tmp_path_factory.mktemp("onboarded"), "vercel") as made:
        SHARED.append((made, what_is_delivered(made)))
        yield made


@pytest.fixture(scope="session")
def on_ecs(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment set up for ECS, once, without its service (`service_of`); a test that changes it puts it back."""
    with templates.fork(tmp_path_factory.mktemp("on-ecs"), "ecs", before=without_service) as made:
        SHARED.append((made, what_is_delivered(made)))
        yield made


def what_is_delivered(deployment: Deployment) -> tuple[list[str], list[str]]:
    """The names of Vercel's variables and of the parameters, without versions: a kept one stays, and so does a key."""
    parameters = [name for name in deployment.parameters() if "/data-keys/" not in name]
    return sorted(deployment.variables()), sorted(parameters)


@pytest.fixture(scope="module", autouse=True)
def shared_deployments_are_put_back() -> Iterator[None]:
    """A file that leaves a deployment changed fails itself, not the file that happens to be run after it."""
    yield
    for deployment, made in SHARED:
        assert what_is_delivered(deployment) == made, f"{deployment.root.name}: this file leaves it changed"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes out the tests whose programs are missing; last, so that it names only tests that were asked for."""
    missing = programs.missing()
    left_out: dict[str, list[str]] = {}
    for item in items:
        for name in [name for mark in item.iter_markers("needs") for name in mark.args]:
            if name not in programs.PROGRAMS:
                raise pytest.UsageError(f"{item.nodeid} needs {name!r}, which is not in tools/bootstrap/programs.py")
            if name in missing:
                left_out.setdefault(name, []).append(item.nodeid)
    gone = {test for tests in left_out.values() for test in tests}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in gone])
    items[:] = [item for item in items if item.nodeid not in gone]
    config.stash[LEFT_OUT] = left_out


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Counts those that `make check` runs."""
    if items:
        config = items[0].config
        number = sum(item.get_closest_marker("thorough") is not None for item in items)
        config.stash[THOROUGH] = config.stash.get(THOROUGH, 0) + number


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over what a worker of xdist left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["thorough"] = session.config.stash.get(THOROUGH, 0)
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Takes what a worker of xdist left out: each has collected the same tests."""
    output, config = getattr(node, "workeroutput", {}), getattr(node, "config", None)
    if isinstance(config, pytest.Config):
        config.stash[THOROUGH] = output.get("thorough", 0)
    if isinstance(config, pytest.Config) and output.get("left_out"):
        config.stash[LEFT_OUT] = output["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what ran and for how long, what was left out, file by file, and what to type."""
    seconds, numbers = defaultdict[str, float](float), Counter[str]()
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        if isinstance(report, pytest.TestReport):
            group = report.nodeid.partition("::")[0].split("/")[1]
            seconds[group] += report.duration
            numbers[group] += report.when == "call"
    if len(seconds) > 1:
        terminalreporter.section("What ran, and the seconds of all processes together")
        for group, total in sorted(seconds.items(), key=lambda each: -each[1]):
            terminalreporter.line(f"{group.removesuffix('.py'):20}{numbers[group]:7,} tests{total:8.0f} s")
    if number := config.stash.get(THOROUGH, 0):
        terminalreporter.line(f"{number:,} longer tests were left out. To run all: make check")
    left_out = config.stash.get(LEFT_OUT, {})
    if not left_out:
        return
    terminalreporter.section("Left out, because a program is missing")
    for name, tests in left_out.items():
        terminalreporter.line(f"{name}: {len(tests)} test{'s' * (len(tests) > 1)}")
        for file in dict.fromkeys(test.partition("::")[0] for test in tests):
            functions = (test.partition("::")[2].partition("[")[0] for test in tests if test.startswith(f"{file}::"))
            terminalreporter.line(f"    {file}: {', '.join(dict.fromkeys(functions))}")
    terminalreporter.line(f"To run them too: {programs.command(tuple(left_out))}")
