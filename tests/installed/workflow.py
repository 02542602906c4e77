"""GitHub's and GitLab's runners, as far as the recipes need them: expressions, conditions, files, exit codes.

Starts bash for each `run:` step, as GitHub does. A step that uses somebody else's action is not executed: its name is
kept in `not_executed`, and its outputs are given.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.linters.recipes import ACTION, ACTION_FILE, USES, Recipe

SECONDS = 300.0
_EXPRESSION = re.compile(r"\$\{\{ ?(.*?) ?\}\}")
_COMPARISON = re.compile(r"([\w.-]+) (==|!=) '([^']*)'")


@dataclass(kw_only=True)
class Runner:
    """A machine of GitHub's with a checkout of a customer's project."""

    folder: Path
    temporary: Path
    environment: Mapping[str, str] = field(repr=False)
    contexts: dict[str, str] = field(default_factory=dict)
    """The values of expressions such as `vars.AWS_REGION`."""
    not_executed: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list, repr=False)

    @property
    def summary(self) -> str:
        """What the jobs wrote on their page."""
        file = self.temporary / "summary.md"
        return file.read_text() if file.exists() else ""

    def job(self, recipe: Recipe, name: str) -> int:
        """A job's steps in order: 0, or the exit code of the first that failed."""
        contexts = {**self.contexts, **{f"env.{key}": value for key, value in recipe.content["env"].items()}}
        return self._steps(recipe.jobs[name]["steps"], contexts, recipe.content["env"])

    def action(self, **inputs: str) -> int:
        """One use of the action, with these inputs; a `-` of a name is an underscore here."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= ACTION["inputs"].keys()
        return self._action({"with": given}, dict(self.contexts), {})

    def output(self, name: str) -> Path:
        """The file that an output of the last use of the action names."""
        return Path(self.contexts[f"outputs.{name}"])

    def _steps(self, steps: list[dict[str, Any]], contexts: dict[str, str], variables: Mapping[str, str]) -> int:
        failed = 0
        for step in steps:
            condition = str(step.get("if", ""))
            if (failed and "!cancelled()" not in condition) or not _holds(condition, contexts):
                continue
            if step.get("uses") == USES:
                code = self._action(step, contexts, variables)
            elif "uses" in step:
                self.not_executed.append(step["uses"].partition("@")[0])
                code = 0
            else:
                code = self._run(step, contexts, variables)
            failed = failed or code
        return failed

    def _action(self, step: dict[str, Any], contexts: dict[str, str], variables: Mapping[str, str]) -> int:
        inputs = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
        inputs |= {name: _filled(str(value), contexts) for name, value in step["with"].items()}
        inside = {
            **{f"inputs.{name}": value for name, value in inputs.items()},
            **{name: value for name, value in contexts.items() if name.startswith(("github.", "steps.python."))},
        }
        code = self._steps(ACTION["runs"]["steps"], inside, variables)
        for name, each in ACTION["outputs"].items():
            self.contexts[f"outputs.{name}"] = _filled(each["value"], inside)
            contexts[f"steps.{step.get('id', '')}.outputs.{name}"] = self.contexts[f"outputs.{name}"]
        return code

    def _run(self, step: dict[str, Any], contexts: dict[str, str], variables: Mapping[str, str]) -> int:
        output = self.temporary / "output"
        output.write_text("")
        environment = {
            **self.environment,
            **variables,
            **{name: _filled(str(value), contexts) for name, value in step.get("env", {}).items()},
            "GITHUB_ACTION_PATH": str(ACTION_FILE.parent),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
            "GITHUB_EVENT_PATH": str(self.temporary / "event.json"),
            "RUNNER_TEMP": str(self.temporary),
        }
        script = self.temporary / "step.sh"
        script.write_text(step["run"])
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#exit-codes-and-error-action-preference
        done = run(["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], self.folder, environment)
        self.log.append(done.stdout)
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            contexts[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode


def run(words: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A command without a terminal; both of its streams as one text."""
    return subprocess.run(
        words,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def gitlab_script(job: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The lines of a job of GitLab's, in one shell that ends at the first that fails; its exit code and its log."""
    lines = "\n".join((*job["before_script"], *job["script"]))
    variables = {name: _expanded(value, environment.get) for name, value in job["variables"].items()}
    done = run(["bash", "-eo", "pipefail", "-c", lines], folder, {**environment, **variables})
    return done.returncode, done.stdout


def _expanded(value: str, known: Callable[[str], str | None]) -> str:
    return re.sub(r"\$(\w+)", lambda found: known(found[1]) or "", value)


def _filled(text: str, contexts: Mapping[str, str]) -> str:
    """A text with the values of its expressions; the output of a step that did not end is empty, as on GitHub.

    Another expression that nobody gave is a KeyError.
    """
    return _EXPRESSION.sub(
        lambda found: contexts.get(found[1], "") if found[1].startswith("steps.") else contexts[found[1]], text
    )


def _holds(condition: str, contexts: Mapping[str, str]) -> bool:
    """Whether the comparisons of a step's condition hold."""
    expression = condition.strip().removeprefix("${{").removesuffix("}}").strip()
    for part in filter(None, (each.strip() for each in expression.split("&&"))):
        if part == "!cancelled()":
            continue
        found = _COMPARISON.fullmatch(part)
        assert found, f"a condition of a form that is not known here: {condition}"
        if (contexts[found[1]] == found[3]) != (found[2] == "=="):
            return False
    return True
