"""Vercel's own CLI, unmodified, against the stand-in: `make vercel-cli-tests` runs it.

Starts a server and Node.js. The requests that the CLI sends are compared with `requests.json`, from which the other
tests replay them without Node.js; `UPDATE_GOLDEN=1` writes that file again.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest
from werkzeug.serving import make_server

from sandbox.vercel import create_app
from tools.bootstrap.places import CACHE

PROGRAM = CACHE / "tools" / "vercel-cli" / "node_modules" / "vercel" / "dist" / "vc.js"
REQUESTS = Path(__file__).with_name("requests.json")
TOKEN = "sandboxtoken"
SECONDS = 120


def as_text(recorded: Sequence[Mapping[str, Any]]) -> str:
    """The commands as JSON, each request in one line."""
    commands = [
        f' {{"command": {json.dumps(each["command"])}, "requests": [\n  '
        + ",\n  ".join(json.dumps(request, sort_keys=True) for request in each["requests"])
        + "\n ]}"
        for each in recorded
    ]
    return "[\n" + ",\n".join(commands) + "\n]\n"


@dataclass
class Cli:
    """The CLI in a linked folder, and what it asked."""

    url: str
    home: Path
    folder: Path
    api: httpx.Client
    requests: list[dict[str, Any]] = field(default_factory=list)
    recorded: list[dict[str, Any]] = field(default_factory=list)

    def run(self, *words: str, typed: str = "") -> str:
        """Run a command, whose requests are recorded; its output on both streams. It has to end with 0."""
        self.requests.clear()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "VERCEL_TOKEN": TOKEN,
            "VERCEL_TELEMETRY_DISABLED": "1",
        }
        # The address comes last: `rolling-release` takes the word after it for its own command otherwise.
        done = subprocess.run(
            ("node", str(PROGRAM), *words, "--api", self.url),
            input=typed,
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        asked = {json.dumps(request, sort_keys=True) for request in self.requests}
        self.recorded.append({"command": self._named(" ".join(words)), "requests": self._named_all(asked)})
        return done.stdout + done.stderr

    def running(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("/_sandbox/running/eonpro").json()
        return found

    def release(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("/v1/projects/eonpro/rolling-release?slug=clinic").json()["rollingRelease"]
        return found

    def deployments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get("/v6/deployments?slug=clinic&projectId=eonpro").json()["deployments"]
        return found

    def _named_all(self, asked: set[str]) -> list[Any]:
        return sorted(
            (json.loads(self._named(request)) for request in asked),
            key=lambda request: (request["path"], request["method"]),
        )

    def _named(self, text: str) -> str:
        """The text with names in the place of the ids, which differ from run to run."""
        team = self.api.get("/v2/teams/clinic").json()["id"]
        project = self.api.get("/v9/projects/eonpro?slug=clinic").json()["id"]
        names = {team: "TEAM", project: "PROJECT"}
        names |= {entry["uid"]: "DEPLOYMENT" for entry in self.deployments()}
        for variable in self.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]:
            names[variable["id"]] = "VARIABLE"
        names |= dict.fromkeys(self.removed, "VARIABLE")
        for id, name in names.items():
            text = text.replace(id, name)
        return text

    @property
    def removed(self) -> tuple[str, ...]:
        """The ids of the variables that the last command deleted."""
        return tuple(entry["path"].rpartition("/")[2] for entry in self.requests if entry["method"] == "DELETE")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    app = create_app(token=TOKEN, team="clinic", project="eonpro")
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("application")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    api = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}", "X-Test": "1"}, trust_env=False)
    made = Cli(url=url, home=home, folder=folder, api=api)

    @app.after_request
    def record(response: flask.Response) -> flask.Response:
        asked = flask.request
        if "X-Test" not in asked.headers:
            query = {name: value for name, value in sorted(asked.args.items()) if name != "source"}
            body = asked.get_json(force=True, silent=True)
            made.requests.append({"method": asked.method, "path": asked.path, "query": query, "body": body})
        return response

    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with api:
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_cli_links_a_folder_and_keeps_its_variables(cli: Cli) -> None:
    assert "sandbox" in cli.run("whoami")
    cli.run("link", "--yes", "--project", "eonpro", "--scope", "clinic")
    linked = json.loads((cli.folder / ".vercel" / "project.json").read_text())
    assert linked["projectId"].startswith("prj_") and linked["orgId"].startswith("team_")
    assert "No Environment Variables found" in cli.run("env", "ls")
    cli.run("env", "add", "GREETING", "production", typed="hello")
    cli.run("env", "add", "COLOUR", "production", "--type", "config", typed="green")
    cli.run("env", "add", "LOCAL", "development", typed="here")
    shown = cli.run("env", "ls")
    assert all(name in shown for name in ("GREETING", "COLOUR", "LOCAL")) and "hello" not in shown
    assert "GREETING" not in cli.run("env", "ls", "development")


def test_the_cli_pulls_config_and_never_a_secret(cli: Cli) -> None:
    cli.run("env", "pull", "--yes")
    local = (cli.folder / ".env.local").read_text()
    assert 'LOCAL="here"' in local and "GREETING" not in local
    said = cli.run("env", "pull", "--yes", "--environment", "production", ".env.production")
    pulled = (cli.folder / ".env.production").read_text()
    assert 'GREETING="[SENSITIVE]"' in pulled and 'COLOUR="green"' in pulled and "hello" not in pulled
    assert "1 Secret value cannot be pulled" in said


def test_the_cli_removes_a_variable_and_redeploys(cli: Cli) -> None:
    cli.run("env", "rm", "COLOUR", "production", "--yes")
    former = cli.running()["deployment"]
    cli.run("redeploy", former)
    assert cli.running()["deployment"] != former and cli.running()["environment"] == {"GREETING": "hello"}


def test_the_cli_promotes_and_says_that_it_is_done(cli: Cli) -> None:
    former, latest = str(cli.deployments()[1]["uid"]), cli.running()["deployment"]
    said = cli.run("promote", former, "--yes")
    assert cli.running()["deployment"] == former
    assert "Success" in said and "No deployment promotion in progress" not in said
    said = cli.run("rollback", latest, "--yes")
    assert cli.running()["deployment"] == latest
    assert "Success" in said and "No deployment rollback in progress" not in said
    cli.run("promote", latest, "--yes")


def test_the_cli_leads_a_rolling_release_to_its_end(cli: Cli) -> None:
    kind = ("--advancement-type=manual-approval", "--stage=10", "--stage=50")
    cli.run("rolling-release", "configure", "--enable", *kind)
    former = cli.running()["deployment"]
    cli.run("redeploy", former)
    canary = str(cli.deployments()[0]["uid"])
    assert (cli.running()["deployment"], cli.release()["canaryDeployment"]["id"]) == (former, canary)
    assert canary in cli.run("rolling-release", "fetch")
    cli.run("rolling-release", "approve", "--currentStageIndex=0", f"--dpl={canary}")
    assert cli.release()["activeStage"]["targetPercentage"] == 50
    cli.run("rolling-release", "complete", f"--dpl={canary}")
    assert (cli.release()["state"], cli.running()["deployment"]) == ("COMPLETE", canary)
    cli.run("redeploy", canary)
    cli.run("rolling-release", "abort", f"--dpl={canary}")
    assert (cli.release()["state"], cli.running()["deployment"]) == ("ABORTED", canary)
    cli.run("rolling-release", "configure", "--disable")


def test_what_the_cli_asked_is_what_the_other_tests_replay(cli: Cli) -> None:
    written = as_text(cli.recorded)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        REQUESTS.write_text(written)
    assert json.loads(REQUESTS.read_text()) == json.loads(written)
