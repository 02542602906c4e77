"""What a folder says of its application: framework, link and target, each with its source; nothing makes it fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wizard.inputs.application_folder import LARGEST, ApplicationFolder, detect, is_application

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: eonpro\n"
TASK = '{"family": "eonpro", "containerDefinitions": []}'


def put(folder: Path, name: str, content: str = "") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")


def package(folder: Path, **groups: Any) -> None:
    put(folder, "package.json", json.dumps({"name": "eonpro", **groups}))


@pytest.mark.parametrize(
    ("dependencies", "framework"),
    [
        ({"next": "^15.1.0", "react": "19.0.0"}, "Next.js 15.1"),
        ({"next": "16"}, "Next.js 16"),
        ({"next": ">=14.2"}, "Next.js 14.2"),
        ({"next": "latest"}, "Next.js"),
        ({"next": "catalog:"}, "Next.js"),
        ({"next": "npm:@clinic/next@15.1.2"}, "Next.js"),
        ({"next": 15}, "Next.js 15"),
        ({"@remix-run/node": "~2.15.1"}, "Remix 2.15"),
        ({"nuxt": "3.14.0"}, "Nuxt 3.14"),
        ({"@sveltejs/kit": "^2.9"}, "SvelteKit 2.9"),
        ({"astro": "^5.0.0"}, "Astro 5.0"),
        ({"express": "^4.21.0"}, "Express 4.21"),
        ({"@nestjs/core": "^10.4.0", "express": "^4"}, "NestJS 10.4"),
        ({"next-auth": "^5", "nextjs-toploader": "1"}, None),
        ({}, None),
    ],
)
def test_the_framework_is_told_by_the_dependencies(tmp_path: Path, dependencies: Any, framework: str | None) -> None:
    package(tmp_path, dependencies=dependencies)
    assert detect(tmp_path).framework == framework


@pytest.mark.parametrize(
    ("file", "content", "framework"),
    [
        ("requirements.txt", "boto3==1.35\nDjango==5.1.4\n", "Django 5.1"),
        ("requirements.txt", "fastapi[standard]>=0.115\n", "FastAPI 0.115"),
        ("requirements.txt", "django-filter==24.3\nflask-cors\n", None),
        ("pyproject.toml", '[project]\ndependencies = ["boto3", "fastapi>=0.115"]\n', "FastAPI 0.115"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.12"\ndjango = "^5.1"\n', "Django 5.1"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nflask = {version = "3.0"}\n', "Flask 3.0"),
        ("requirements.txt", "fastapi\nboto3==1.35\n", "FastAPI"),
        ("pyproject.toml", '[project]\ndependencies = ["fastapi", "boto3==1.35"]\n', "FastAPI"),
        ("pyproject.toml", '[project]\nname = "eonpro-django"\n', None),
    ],
)
def test_python_frameworks_are_told_too(tmp_path: Path, file: str, content: str, framework: str | None) -> None:
    put(tmp_path, file, content)
    assert detect(tmp_path).framework == framework


@pytest.mark.parametrize(
    ("files", "targets"),
    [
        ({"vercel.json": "{}"}, (("vercel", "vercel.json"),)),
        ({"vercel.ts": ""}, (("vercel", "vercel.ts"),)),
        ({"taskdef.json": TASK}, (("ecs", "taskdef.json"),)),
        (
            {"task-definition.json": TASK, "Dockerfile": "FROM node"},
            (("ecs", "task-definition.json and a Dockerfile"),),
        ),
        ({".aws/task-definition.json": TASK}, (("ecs", ".aws/task-definition.json"),)),
        ({"taskdef.json": "{}"}, ()),
        ({"Dockerfile": "FROM node"}, ()),
        ({"ecs-params.yml": ""}, (("ecs", "ecs-params.yml"),)),
        ({"copilot/.workspace": "application: eonpro\n"}, (("ecs", "copilot/"),)),
        ({"copilot/readme.md": ""}, ()),
        ({"skaffold.yaml": ""}, (("eks", "skaffold.yaml"),)),
        ({"Chart.yaml": ""}, (("eks", "Chart.yaml"),)),
        ({"k8s/a-service.yaml": "kind: Service\n", "k8s/b.yml": DEPLOYMENT}, (("eks", "k8s/b.yml"),)),
        ({"kubernetes/all.yaml": f"kind: Service\n---\n{DEPLOYMENT}"}, (("eks", "kubernetes/all.yaml"),)),
        ({"k8s/service.yaml": "kind: Service\n", "k8s/readme.md": DEPLOYMENT}, ()),
        ({"k8s": "kind: Deployment\n"}, ()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_targets_are_suggested_with_what_suggests_them(tmp_path: Path, files: Any, targets: Any) -> None:
    for name, content in files.items():
        put(tmp_path, name, content)
    assert detect(tmp_path).targets == targets


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"next"', '{"dependencies": ["next"]}', "[" * 100_000])
def test_a_package_file_that_cannot_be_understood_says_nothing(tmp_path: Path, content: str) -> None:
    for name in ("package.json", ".vercel/project.json", ".vercel/repo.json"):
        put(tmp_path, name, content)
    assert detect(tmp_path) == ApplicationFolder()


def test_octets_that_are_no_text_say_nothing(tmp_path: Path) -> None:
    for name in ("package.json", "requirements.txt", "taskdef.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    assert detect(tmp_path) == ApplicationFolder()


def test_a_huge_file_and_a_pipe_that_nobody_writes_to_are_not_read(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "django\n" + " " * LARGEST)
    os.mkfifo(tmp_path / "package.json")
    os.mkfifo(tmp_path / "vercel.json")
    assert detect(tmp_path) == ApplicationFolder()


def test_the_wizards_own_folder_suggests_nothing() -> None:
    assert (detect(ROOT).targets, detect(ROOT).framework) == ((), None)


def test_a_project_of_the_wizard_is_no_application_unless_it_has_one(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "eonpro-kms==1.0.0\n")
    assert is_application(tmp_path)
    put(tmp_path, "Pulumi.yaml", (ROOT / "examples" / "project" / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert not is_application(tmp_path)
    package(tmp_path, dependencies={"next": "16"})
    assert is_application(tmp_path)
    assert not is_application(ROOT)


def test_nothing_heavy_is_loaded_and_nothing_is_waited_for(tmp_path: Path) -> None:
    program = "import sys, wizard.inputs.application_folder; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"pydantic", "boto3", "httpx", "pulumi", "yaml", "components.settings.settings"}
    assert not heavy & set(loaded.stdout.split())
    assert {each.split(".")[1] for each in loaded.stdout.split() if each.startswith("components.")} == {"installation"}
    package(tmp_path, dependencies={"next": "15.1.0"})
    started = time.process_time()
    for _ in range(20):
        detect(tmp_path)
    # Of the processor, so that a busy machine fails nothing: 3 ms each.
    assert time.process_time() - started < 20 * 0.003
