"""The fixtures of an application with the patch, beside the packages of `@eonpro/phi`, in folders of a test's own.

Runs npm, Node, esbuild and git there. In place of packages that would have to be installed stand small ones, named so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools import node_package
from tools.bootstrap.places import PROJECT
from wizard.inputs.application.parts import KeyUse
from wizard.inputs.application.patch import make_patch, write_patch

FIXTURES = PROJECT / "tests" / "wizard" / "inputs" / "application" / "fixtures"
ON_VERCEL = KeyUse(region="us-east-1")

EXPRESS = """// A stand-in for express: JSON in and out, and a router.
const { createServer } = require("node:http");
function router() {
  const routes = {};
  const route = (request, response) => routes[request.url](request, response);
  return Object.assign(route, { post: (path, handler) => (routes[path] = handler) });
}
module.exports = () => {
  let under, mounted;
  return {
    use: (path, handler) => { if (handler) [under, mounted] = [path, handler]; },
    listen: (port, listening) => {
      const server = createServer((request, response) => {
        let text = "";
        request.on("data", (part) => (text += part)).on("end", () => {
          request.body = JSON.parse(text);
          request.url = request.url.slice(under.length);
          response.json = (body) => response.end(JSON.stringify(body));
          try { mounted(request, response); } catch (error) { response.writeHead(500).end(String(error)); }
        });
      });
      server.listen(0, "127.0.0.1", () => { console.log(`http://127.0.0.1:${server.address().port}`); listening(); });
    },
  };
};
module.exports.json = () => undefined;
module.exports.Router = router;
"""
PACKAGE_NAME = "dependencies.@eonpro/phi"
NEXT = "#!/bin/sh\n# A stand-in for Next.js: it leaves a sign that it was started.\ntouch built\n"
NEXT_SERVER = """// A stand-in for next/server.
export class NextResponse extends Response { static json(body, init) { return Response.json(body, init); } }
"""
S3 = """// A stand-in for the AWS SDK's client of S3: it prints what it would send.
export class S3Client { async send({ input }) { console.log(JSON.stringify(input)); return {}; } }
export class PutObjectCommand { constructor(input) { this.input = input; } }
"""


def application(name: str, folder: Path) -> Path:
    """A copy of a fixture beside its packages."""
    copy = folder / name
    shutil.copytree(FIXTURES / name, copy)
    install(copy)
    return copy


def commands(section: str) -> list[str]:
    """The commands of a section of docs/application.md, as they are typed."""
    page = (PROJECT / "docs" / "application.md").read_text()
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"(?m)^\$ (.+)$", text)


PREPARED = "exit 0"
"""A stand-in for `npm install`: the packages are there already."""


def from_registry(npm: str) -> str:
    """`npm install`, with the tarball in place of the library, which is not published."""
    tarball = node_package.tarball()
    return f"{npm} pkg set '{PACKAGE_NAME}=file:{tarball}' && exec {npm} install --no-audit --no-fund --ignore-scripts"


def followed(folder: Path, *sections: str, variables: Mapping[str, str], install: str = PREPARED) -> list[str]:
    """Types the commands of these sections, in this order: [the first that failed, its errors]; empty if none did."""
    programs = folder.parent / "programs"
    programs.mkdir(exist_ok=True)
    texts = {
        "eonpro-kms": f'PYTHONPATH={PROJECT} exec {sys.executable} -m wizard "$@"\n',
        "npm": f'if [ "$1" = install ]; then {install}; fi\nexec {shutil.which("npm")} "$@"\n',
    }
    for name, text in texts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    for command in (command for section in sections for command in commands(section)):
        done = run(folder, "sh", "-c", command, variables={**variables, **path})
        if done.returncode:
            return [command, done.stderr]
    return []


def patched(name: str, folder: Path, use: KeyUse) -> Path:
    """The same with the patch, applied by git."""
    copy = application(name, folder)
    patch = make_patch(copy, use)
    write_patch(copy / "application.patch", patch)
    subprocess.run(["git", "apply", "application.patch"], cwd=copy, check=True, capture_output=True)
    return copy


def install(folder: Path) -> None:
    """What `npm install` leaves: the packages of the library by links, the library from its tarball, the stand-ins."""
    modules = folder / "node_modules"
    modules.mkdir()
    for package in node_package.packages(node_package.PACKAGE).iterdir():
        if package.name not in (".bin", ".package-lock.json"):
            (modules / package.name).symlink_to(package)
    with tarfile.open(node_package.tarball()) as packed:
        packed.extractall(modules / "@eonpro")
    (modules / "@eonpro" / "package").rename(modules / "@eonpro" / "phi")
    check = modules / "@eonpro" / "phi" / "dist" / "esm" / "cli.js"
    check.chmod(0o755)
    (modules / ".bin").mkdir()
    (modules / ".bin" / "phi").symlink_to(check)
    (modules / ".bin" / "next").write_text(NEXT)
    (modules / ".bin" / "next").chmod(0o755)
    (modules / "next").mkdir()
    (modules / "next" / "package.json").write_text('{"exports": {"./server": "./server.mjs"}}')
    (modules / "next" / "server.mjs").write_text(NEXT_SERVER)
    (modules / "express").mkdir()
    (modules / "express" / "index.js").write_text(EXPRESS)


def run(folder: Path, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command in the application's folder, with these variables and nothing of the operator's."""
    return subprocess.run(
        command, cwd=folder, env=environment(folder, variables or {}), capture_output=True, text=True, check=False
    )


def environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    own = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**own, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", "NO_UPDATE_NOTIFIER": "1", **variables}


def driven(folder: Path, program: str, name: str = "drive") -> Path:
    """A program in the application's own language, bundled; packages stay imports."""
    source = folder / "src" / f"{name}.ts"
    source.write_text(program)
    esbuild = node_package.packages(node_package.PACKAGE) / ".bin" / "esbuild"
    options = ("--bundle", "--platform=node", "--format=esm", "--packages=external", f"--outfile={name}.mjs")
    built = run(folder, str(esbuild), str(source), *options)
    assert built.returncode == 0, built.stderr
    source.unlink()
    return folder / f"{name}.mjs"


def answers(folder: Path, program: Path, *arguments: str, variables: Mapping[str, str]) -> list[Any]:
    """What a driven program prints."""
    done = run(folder, "node", str(program), *arguments, variables=variables)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found
