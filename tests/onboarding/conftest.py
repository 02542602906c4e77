"""Deployments for the tests of the whole onboarding: fresh ones, and one where nothing ever gets made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.onboarding.deployment import Deployment, Templates, running_deployment


@pytest.fixture(autouse=True)
def started_for_its_exit_code(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What says how the wizard ends has it started as a person starts it."""
    if request.node.get_closest_marker("exit_code"):
        monkeypatch.setattr("tests.onboarding.deployment.can_begin_loaded", lambda **_: False)


@pytest.fixture
def deployment(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A deployment with a fresh, empty cloud, or set up by the example of `@pytest.mark.onboarded`."""
    mark, root = request.node.get_closest_marker("onboarded"), tmp_path_factory.mktemp("deployment")
    with templates.fork(root, *mark.args) if mark else running_deployment(root) as made:
        yield made


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment where no set-up ever gets to make anything: for what is found beforehand."""
    with running_deployment(tmp_path_factory.mktemp("bare")) as made:
        yield made
