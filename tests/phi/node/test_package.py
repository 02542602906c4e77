"""`@eonpro/phi`, the package for Node: its own tests, and what an application gets that installs its tarball.

Touches folders of its own. npm installs the packages of the lock file into `.cache/` once; after that only the
thorough tests ask a registry.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.selection import first
from tools import node_package
from tools.application import EXAMPLE, modules
from tools.bootstrap.places import PROJECT

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]


ROUND_TRIP = """
  const cipher = new phi.PhiCipher(Buffer.alloc(32, 1));
  const record = cipher.encrypt("Jane");
  const opened = cipher.decryptBytes(cipher.encryptBytes(Buffer.from("x")));
  const right = cipher.decrypt(record) === "Jane" && opened.toString() === "x";
  console.log(JSON.stringify({ right, names: Object.keys(phi).sort() }));
"""

CONSUMER = """
import { decryptPHI, encryptPHI, ExactIndex, fields, PhiError, place, withKey } from "@eonpro/phi";
import { withPhi } from "@eonpro/phi/prisma";

const index = new ExactIndex({ table: "Patient", column: "emailSearch", rule: "email" });
export const client = withPhi({}, { Patient: { fields: ["email"] } });
export const POST = withKey(async (request: Request, { id }: { id: number }): Promise<string[]> => {
  const record: string | null = encryptPHI(await request.text());
  const text: string | null = decryptPHI(record, place("Patient", "email", id));
  return fields().searchValues(index, text, "clinic-7");
});
export const answer: (request: Request, of: { id: number }) => Promise<string[]> = POST;
export const name = (error: PhiError): string => error.name;
// @ts-expect-error There is no such rule.
new ExactIndex({ table: "Patient", column: "x", rule: "none" });
// @ts-expect-error A number is no text.
encryptPHI(7);
"""

VECTORS = f"{(PROJECT / 'tests' / 'phi' / 'vectors').as_uri()}/"


def node(folder: Path, *arguments: str, program: str = "node") -> subprocess.CompletedProcess[str]:
    own = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {"PHI_VECTORS": VECTORS}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=own, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example beside its packages, which npm installed as its lock file says, `@eonpro/phi` from its tarball."""
    folder = tmp_path_factory.mktemp("package") / "application"
    shutil.copytree(EXAMPLE, folder)
    (folder / "node_modules").symlink_to(modules())
    return folder


def test_its_own_tests_pass() -> None:
    folder = node_package.built()
    done = node(folder, "--test", "--test-reporter", "spec", *map(str, sorted(folder.glob("test/*.test.mjs"))))
    assert done.returncode == 0, done.stdout
    assert "tests 0" not in done.stdout


def test_an_application_imports_the_tarball_as_a_module_of_either_kind(application: Path) -> None:
    assert_both_kinds(application, "node")


def assert_both_kinds(application: Path, program: str) -> None:
    imported = node(
        application,
        *("--input-type=module", "-e", f'const phi = await import("@eonpro/phi"); {ROUND_TRIP}'),
        program=program,
    )
    required = node(
        application, "--input-type=commonjs", "-e", f'const phi = require("@eonpro/phi"); {ROUND_TRIP}', program=program
    )
    assert imported.stderr == required.stderr == ""
    assert json.loads(imported.stdout)["right"] and imported.stdout == required.stdout
    prisma = 'import { withPhi } from "@eonpro/phi/prisma"; console.log(typeof withPhi);'
    assert node(application, "--input-type=module", "-e", prisma, program=program).stdout == "function\n"


def test_the_tarball_holds_what_is_built_and_nothing_else(application: Path) -> None:
    folder = application / "node_modules" / "@eonpro" / "phi"
    assert {each.name for each in folder.iterdir()} == {"LICENSE", "README.md", "REFERENCE.md", "dist", "package.json"}
    manifest = json.loads((folder / "package.json").read_text())
    assert "dependencies" not in manifest
    assert {*manifest["peerDependencies"]} == {"@aws-sdk/client-kms", "@vercel/oidc-aws-credentials-provider"}
    locked = json.loads((EXAMPLE / node_package.LOCK).read_text())["packages"]["node_modules/@eonpro/phi"]
    assert locked == {**locked, **{name: manifest[name] for name in ("version", "bin", "engines", "peerDependencies")}}


def test_npx_runs_the_check_of_the_installed_package(application: Path) -> None:
    checked = node(application, "--yes=false", "@eonpro/phi", "check", program="npx")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.count("is not set") == 3


MODULES = ("--module", "nodenext")
RESOLUTIONS = {
    "nodenext": ("typescript", MODULES, "mts"),
    "nodenext, CommonJS": ("typescript", MODULES, "cts"),
    "node16": ("typescript", ("--module", "node16"), "mts"),
    "bundler": ("typescript", ("--module", "esnext", "--moduleResolution", "bundler"), "ts"),
    "node10": ("typescript-with-node10", ("--module", "commonjs", "--moduleResolution", "node10"), "ts"),
}


@pytest.mark.parametrize(("compiler", "options", "ending"), first(2, RESOLUTIONS.values()), ids=RESOLUTIONS.keys())
def test_a_folder_with_nothing_but_the_tarball_and_its_peers_has_its_types(
    tmp_path: Path, compiler: str, options: tuple[str, ...], ending: str
) -> None:
    modules = node_package.packages(node_package.PACKAGE)
    (tmp_path / "node_modules" / "@eonpro").mkdir(parents=True)
    with tarfile.open(node_package.tarball()) as archive:
        archive.extractall(tmp_path / "node_modules" / "@eonpro", filter="data")
    (tmp_path / "node_modules" / "@eonpro" / "package").rename(tmp_path / "node_modules" / "@eonpro" / "phi")
    for name in ("@types", "@aws-sdk", "@smithy"):
        (tmp_path / "node_modules" / name).symlink_to(modules / name)
    page = (node_package.PACKAGE / "README.md").read_text()
    # The page's own examples; the one for Prisma needs a generated client.
    examples = [code for code in re.findall(r"```ts\n(.*?)```", page, re.DOTALL) if "PrismaClient" not in code]
    assert len(examples) == 2
    for number, source in enumerate((CONSUMER, *examples)):
        (tmp_path / f"source{number}.{ending}").write_text(source)
    (tmp_path / "package.json").write_text('{"private": true}')
    checks: tuple[str, ...] = (
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--skipLibCheck",
        "--types",
        "node",
    )
    checks += ("--target", "es2022", "--lib", "es2022,dom", *options)
    checks += ("--ignoreConfig",) if compiler == "typescript" else ()
    program = modules / compiler / "bin" / "tsc"
    checked = node(tmp_path, str(program), *checks, *(each.name for each in sorted(tmp_path.glob("source*"))))
    assert (checked.stdout, checked.returncode) == ("", 0)


@pytest.mark.parametrize(
    "source",
    [
        'import { encryptPHI } from "@eonpro/phi"; console.log(encryptPHI("Jane"));',
        'import * as phi from "@eonpro/phi"; console.log(phi);',
        'import "@eonpro/phi";',
        'import("@eonpro/phi").then(console.log);',
        'import { withPhi } from "@eonpro/phi/prisma"; console.log(withPhi);',
        'console.log(require("@eonpro/phi"));',
    ],
)
def test_code_for_browsers_that_imports_it_cannot_be_built(application: Path, source: str) -> None:
    (application / "client.js").write_text(source)
    built = bundle(application, "client.js", "--platform=browser", "--outfile=client.out.js")
    assert built.returncode == 1
    assert "must-not-be-in-code-for-browsers" in built.stderr
    assert not (application / "client.out.js").exists()


def test_the_bundle_of_a_server_is_small_and_runs_without_the_provider_of_vercel(application: Path) -> None:
    (application / "server.ts").write_text(
        'import { KeyNotLoaded, withKey } from "@eonpro/phi"; console.log(typeof withKey, new KeyNotLoaded().name);'
    )
    options = ("--platform=node", "--format=esm", "--minify", "--external:@aws-sdk/*", "--external:@vercel/*")
    built = bundle(application, "server.ts", *options, "--outfile=server.mjs")
    assert built.returncode == 0, built.stderr
    assert (application / "server.mjs").stat().st_size < 30_000
    assert node(application, "server.mjs").stdout == "function KeyNotLoaded\n"


def test_a_bundle_holds_the_provider_of_vercel_where_it_is_installed_and_is_made_without_it(
    application: Path, tmp_path: Path
) -> None:
    """A deployment on Vercel has the files that its build found, and no others."""
    source = 'import { withKey } from "@eonpro/phi"; console.log(typeof withKey);'
    options = ("--platform=node", "--format=esm", "--external:@aws-sdk/*", "--outfile=server.mjs")
    (application / "server.ts").write_text(source)
    assert bundle(application, "server.ts", *options).returncode == 0
    assert "getVercelOidcToken" in (application / "server.mjs").read_text()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "@eonpro").symlink_to(modules() / "@eonpro")
    (tmp_path / "server.ts").write_text(source)
    built = bundle(tmp_path, "server.ts", *options, "--preserve-symlinks")
    assert built.returncode == 0, built.stderr
    assert "getVercelOidcToken" not in (tmp_path / "server.mjs").read_text()
    assert node(tmp_path, "server.mjs").stdout == "function\n"


def bundle(application: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    esbuild = node_package.packages(node_package.PACKAGE) / "esbuild" / "bin" / "esbuild"
    return node(application, str(esbuild), *arguments, "--bundle", "--log-level=error")


@pytest.mark.thorough
@pytest.mark.parametrize("version", ["20.20.2", "22.23.3", "24.21.0"])
def test_it_runs_on_every_node_that_is_maintained(application: Path, version: str, tmp_path: Path) -> None:
    node_package.npm(
        "install", "--prefix", str(tmp_path), "--no-audit", "--no-fund", f"node@{version}", folder=tmp_path
    )
    program = str(tmp_path / "node_modules" / "node" / "bin" / "node")
    assert node(application, "--version", program=program).stdout.strip() == f"v{version}"
    assert_both_kinds(application, program)
    folder = node_package.built()
    tests = map(str, sorted(folder.glob("test/*.test.mjs")))
    done = node(folder, "--test", "--test-reporter", "spec", *tests, program=program)
    assert done.returncode == 0, done.stdout
