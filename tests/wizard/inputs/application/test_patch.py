"""The patch of an application: `git apply` takes it, nothing is missing afterwards, and no file is harmed.

Runs git in copies of the fixtures, which were written for these tests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from wizard.core.errors import UsageError
from wizard.inputs.application.changes import code_of
from wizard.inputs.application.parts import KeyUse, missing_parts, read_application
from wizard.inputs.application.patch import FIRST_LINE, Patch, make_patch, write_patch

FIXTURES = Path(__file__).parent / "fixtures"
ON_VERCEL = KeyUse(region="us-east-1")
ON_ECS = KeyUse(region="us-east-1", trusts_vercel=False, builds_with_variables=False)
ALL = pytest.mark.parametrize(("name", "use"), [("next", ON_VERCEL), ("express", ON_ECS)], ids=("next", "express"))


def copy(name: str, folder: Path, *, repository: bool = True) -> Path:
    shutil.copytree(FIXTURES / name, folder / name)
    if repository:
        git(folder / name, "init", "-q")
    return folder / name


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=Clinic", "-c", "user.email=clinic@example.org", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(patch: Patch, file: Path) -> None:
    write_patch(file, patch)
    git(patch.root, "apply", "--check", "--whitespace=nowarn", str(file))
    git(patch.root, "apply", "--whitespace=nowarn", str(file))


def contents(folder: Path) -> Mapping[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file() and ".git" not in each.parts)
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


@ALL
def test_git_takes_it_and_afterwards_nothing_is_missing(tmp_path: Path, name: str, use: KeyUse) -> None:
    folder = copy(name, tmp_path)
    before = contents(folder)
    patch = make_patch(folder, use)
    assert (contents(folder), patch.by_hand, patch.installs) == (before, (), True)
    apply(patch, tmp_path / "application.patch")
    again = make_patch(folder, use)
    assert (again.text, again.reasons, again.by_hand, missing_parts(folder, use)) == ("", (), (), ())
    code = code_of(read_application(folder, use))
    assert [other for other in code.others(use) if other.is_harmed] == []
    assert {reader.file for reader in code.found.of("ENCRYPTION_KEY") if not reader.preferred} == set()


@ALL
def test_each_hunk_has_its_reason_and_each_part_that_is_named_a_change(tmp_path: Path, name: str, use: KeyUse) -> None:
    folder = copy(name, tmp_path)
    patch = make_patch(folder, use)
    hunks = re.findall(r"(?m)^@@ \S+ \S+ @@(.*)$", patch.text)
    assert hunks and all(len(reason.split()) > 2 for reason in hunks)
    changed = {reason.file for reason in patch.reasons}
    for part in missing_parts(folder, use):
        file = part.partition(":")[0]
        assert file in changed or file in (folder.name, "instrumentation.ts"), part


def test_a_right_application_has_no_patch(tmp_path: Path) -> None:
    patch = make_patch(copy("right", tmp_path), ON_VERCEL)
    assert (patch.text, patch.reasons, patch.by_hand) == ("", (), ())


def test_what_the_patch_makes_of_the_code(tmp_path: Path) -> None:
    folder = copy("next", tmp_path)
    apply(make_patch(folder, ON_VERCEL), tmp_path / "a.patch")
    package = json.loads((folder / "package.json").read_text())
    assert list(package["scripts"]) == ["dev", "prebuild", "build", "start"]
    assert package["dependencies"]["@eonpro/phi"] and package["dependencies"]["@vercel/oidc-aws-credentials-provider"]
    module = (folder / "src/lib/security/phi-encryption.ts").read_text()
    # Messages and tolerance of before stay, and so do the names that others import.
    for kept in ("a column holds plain text", "PHI cannot be decrypted", "export async function encryptPHIAsync"):
        assert kept in module
    for gone in ("createCipheriv", "ENCRYPTION_KEY has to be", "./kms", "patient-dedup-v1", "keyNow"):
        assert gone not in module
    assert not (folder / "src/lib/security/kms.ts").exists() and not (folder / "tests/kms.test.ts").exists()
    two_factor = (folder / "src/lib/auth/two-factor.ts").read_text()
    assert "(process.env.TWO_FACTOR_ENCRYPTION_KEY || process.env.ENCRYPTION_KEY)!" in two_factor
    service = (folder / "src/lib/integrations/aws/s3Service.ts").read_text()
    assert "ServerSideEncryption: s3Config.kmsKeyId ? 'aws:kms' : 'AES256'," in service
    config = (folder / "src/lib/integrations/aws/s3Config.ts").read_text()
    assert "kmsKeyId: process.env.AWS_S3_KMS_KEY_ID?.trim()" in config and "process.env.AWS_REGION" not in config
    assert "// AWS_KMS_KEY_ID: process.env.AWS_KMS_KEY_ID" in config  # A comment is not changed.
    # A wrapper of the application stands for the handlers in it.
    assert "return withKey(async" in (folder / "src/lib/auth/middleware.ts").read_text()
    assert "withAdminAuth(first);" in (folder / "src/app/api/patients/[id]/route.ts").read_text()
    assert (folder / "src/app/api/ping/route.ts").read_bytes() == (
        FIXTURES / "next/src/app/api/ping/route.ts"
    ).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("  ", "\t"), id="tabs"),
        pytest.param(lambda text: "\ufeff" + text, id="a BOM"),
        pytest.param(lambda text: text.rstrip("\n"), id="no line break at the end"),
        pytest.param(lambda text: text.replace(";\n", "\n"), id="no semicolons"),
        pytest.param(lambda text: text.replace("'", '"'), id="other quotation marks"),
        pytest.param(lambda text: text + "\n\f\u2028 // \u0085\n", id="other separators of lines"),
    ],
)
@ALL
def test_the_form_of_a_file_stays(tmp_path: Path, name: str, use: KeyUse, change) -> None:
    folder = copy(name, tmp_path)
    for file in [each for each in folder.rglob("*") if each.suffix in (".ts", ".tsx", ".js", ".json")]:
        text = file.read_text()
        changed = text if file.suffix == ".json" and "\u2028" in change("x") else change(text)
        file.write_bytes(changed.encode())
    if "\r" in change("\n"):
        git(folder, "config", "core.autocrlf", "true")
    apply(make_patch(folder, use), tmp_path / "a.patch")
    assert missing_parts(folder, use) == ()
    for path, content in contents(folder).items():
        if path.endswith((".ts", ".tsx", ".js", ".json")):
            lines = content.decode().split("\n")
            assert all(line.endswith("\r") for line in lines[:-1]) or not any(line.endswith("\r") for line in lines)
            assert content.decode().count("\ufeff") == change("").count("\ufeff")


def test_a_folder_of_a_monorepo_with_blanks_and_quotes_in_its_name(tmp_path: Path) -> None:
    root = tmp_path / 'clinic "ünd" sons'
    folder = copy("next", root / "apps of 'ours'", repository=False)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    (root / "untracked.txt").write_text("a dirty tree")
    (folder / "package.json").write_text((folder / "package.json").read_text().replace('"clinic"', '"clinics"'))
    patch = make_patch(folder, ON_VERCEL)
    assert patch.root == root
    apply(patch, root / "a b.patch")
    assert missing_parts(folder, ON_VERCEL) == () and '"clinics"' in (folder / "package.json").read_text()


def test_without_git_its_names_start_from_the_application(tmp_path: Path) -> None:
    folder = copy("express", tmp_path, repository=False)
    patch = make_patch(folder, ON_ECS)
    assert patch.root == folder
    apply(patch, tmp_path / "a.patch")
    assert missing_parts(folder, ON_ECS) == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "left"),
    [
        # Brackets that do not match: the file is not touched.
        (
            "src/lib/security/phi-encryption.ts",
            "export const forTests = {",
            "{ export const forTests = {",
            "phi-encryption",
        ),
        # Another shape of the same function.
        (
            "src/lib/security/phi-encryption.ts",
            "export function encryptPHI(text",
            "export const x = 1; function y(text",
            "phi-encryption",
        ),
        (
            "src/instrumentation.ts",
            "export async function register(): Promise<void> {",
            "async function register() {",
            "instrumentation.ts:4",
        ),
        (
            "src/app/api/patients/route.ts",
            "export async function POST",
            "export const PUT = POST;\nexport async function POST",
            "no withKey() around POST",
        ),
        (
            "src/app/api/patients/route.ts",
            "export const dynamic = 'force-dynamic';",
            "export const runtime = 'edge';",
            "no withKey() around POST",
        ),
        ("package.json", '"scripts": {', '"scripts": {,', "package.json"),
        ("src/lib/auth/two-factor.ts", "process.env.ENCRYPTION_KEY!", "env('ENCRYPTION_KEY')", "two-factor.ts:5"),
        # What TypeScript knows after this condition, it would not know of two variables.
        (
            "src/lib/auth/two-factor.ts",
            "const key = Buffer.from(process.env.ENCRYPTION_KEY!",
            "if (!process.env.ENCRYPTION_KEY) return '';\n  const key = Buffer.from(process.env.ENCRYPTION_KEY",
            "two-factor.ts:5",
        ),
        # Not the name of the file says that these are cards.
        ("src/lib/log.ts", "console.error(text", "console.error(process.env.ENCRYPTION_KEY, 'cards', text", "log.ts:2"),
    ],
)
def test_what_has_another_shape_is_named_for_a_person_and_not_guessed(
    tmp_path: Path, name: str, old: str, new: str, left: str
) -> None:
    folder = copy("next", tmp_path)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    try:
        patch = make_patch(folder, ON_VERCEL)
    except UsageError as error:
        assert left in str(error)
        return
    apply(patch, tmp_path / "a.patch")
    again = make_patch(folder, ON_VERCEL)
    assert again.text == "" and again.by_hand == patch.by_hand
    assert any(left in line for line in patch.by_hand), patch.by_hand
    assert left in patch.text


def test_a_module_that_others_use_stays_and_its_faults_are_named(tmp_path: Path) -> None:
    folder = copy("next", tmp_path)
    health = folder / "src/app/api/health/route.ts"
    health.parent.mkdir()
    health.write_text(
        "import { usesKms } from '@/lib/security/kms';\nexport const GET = () => Response.json(usesKms());\n"
    )
    patch = make_patch(folder, ON_VERCEL)
    apply(patch, tmp_path / "a.patch")
    assert (folder / "src/lib/security/kms.ts").exists() and (folder / "tests/kms.test.ts").exists()
    assert any("kms.ts:21: can make a data key of its own" in line for line in patch.by_hand)


def test_a_file_that_is_more_than_the_loading_of_the_key_stays(tmp_path: Path) -> None:
    folder = copy("next", tmp_path)
    module, environment = folder / "src/lib/security/phi-encryption.ts", folder / "src/lib/env.ts"
    environment.write_text("export const env = { wrapped: process.env.ENCRYPTED_PHI_KEY, port: process.env.PORT };\n")
    text = module.read_text().replace("import { encryptionKey", "import { env } from '../env';\nimport { encryptionKey")
    module.write_text(text.replace("  loadedKey ??= await", "  log(`${env.wrapped?.length}`);\n  loadedKey ??= await"))
    (folder / "scripts").mkdir()
    (folder / "scripts/key.ts").write_text("import { usesKms } from '../src/lib/security/kms';\nusesKms();\n")
    apply(make_patch(folder, ON_VERCEL), tmp_path / "a.patch")
    assert environment.exists() and (folder / "src/lib/security/kms.ts").exists()
    assert "env" not in module.read_text().split("export function")[0].replace("process.env", "")


def test_an_application_without_any_code_for_its_key_gets_the_start_the_packages_and_the_check(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/page.tsx").write_text("export default function Page() { return null; }\n")
    (tmp_path / "package.json").write_text('{"scripts":{"build":"next build"},"dependencies":{"next":"14.2.0"}}')
    (tmp_path / "tsconfig.json").write_text("{}")
    patch = make_patch(tmp_path, ON_VERCEL)
    apply(patch, tmp_path / "a.patch")
    assert "await startWithKey();" in (tmp_path / "instrumentation.ts").read_text()
    assert json.loads((tmp_path / "package.json").read_text())["scripts"]["prebuild"] == "npx @eonpro/phi check"
    # Next.js 14 does not run it without a setting.
    [left] = patch.by_hand
    assert "instrumentationHook" in left and make_patch(tmp_path, ON_VERCEL).text == ""


def test_a_check_in_the_image_is_enough(tmp_path: Path) -> None:
    folder = copy("express", tmp_path)
    image = folder / "Dockerfile"
    image.write_text(image.read_text().replace('"npm", "start"', '"sh", "-c", "npx @eonpro/phi check && npm start"'))
    apply(make_patch(folder, ON_ECS), tmp_path / "a.patch")
    assert list(json.loads((folder / "package.json").read_text())["scripts"]) == ["start"]
    assert missing_parts(folder, ON_ECS) == ()


def test_of_two_files_of_one_shape_each_is_moved_and_of_two_servers_none_is_guessed(tmp_path: Path) -> None:
    folder = copy("express", tmp_path)
    shutil.copy(folder / "lib/records.js", folder / "lib/records2.js")
    shutil.copy(folder / "server.js", folder / "worker.js")
    apply(make_patch(folder, ON_ECS), tmp_path / "a.patch")
    assert (
        "makeRecord" in (folder / "lib/records.js").read_text()
        and "makeRecord" in (folder / "lib/records2.js").read_text()
    )
    # package.json says which of the two it starts.
    assert "startWithKey" in (folder / "server.js").read_text()
    assert "startWithKey" not in (folder / "worker.js").read_text()
    package = (folder / "package.json").read_text()
    (folder / "package.json").write_text(
        package.replace("node server.js", "pm2 start").replace("server.js", "index.js")
    )
    shutil.copy(FIXTURES / "express/server.js", folder)
    assert make_patch(folder, ON_ECS).by_hand == ("express: the server listens before the data key is loaded",)


def test_a_link_in_the_folder_is_neither_followed_nor_changed(tmp_path: Path) -> None:
    folder = copy("express", tmp_path)
    elsewhere = copy("next", tmp_path / "elsewhere", repository=False)
    (folder / "linked").symlink_to(elsewhere)
    (folder / "lib" / "kms.js").symlink_to(elsewhere / "src/lib/security/kms.ts")
    before = contents(elsewhere)
    patch = make_patch(folder, ON_ECS)
    assert not any("linked" in reason.file or "kms.js" in reason.file for reason in patch.reasons)
    apply(patch, tmp_path / "a.patch")
    assert contents(elsewhere) == before


# --- the file


def test_only_a_patch_of_its_own_is_replaced(tmp_path: Path) -> None:
    patch = make_patch(copy("express", tmp_path), ON_ECS)
    mine, others = tmp_path / "mine.patch", tmp_path / "others.patch"
    write_patch(mine, patch)
    write_patch(mine, patch)
    assert mine.read_text() == patch.text and patch.text.startswith(FIRST_LINE)
    others.write_text("diff --git a/x b/x\n")
    with pytest.raises(UsageError, match="is no patch of this program; it is not replaced"):
        write_patch(others, patch)
    assert others.read_text() == "diff --git a/x b/x\n"


@pytest.mark.parametrize(
    "place", [".git/a.patch", ".git/hooks/pre-commit", "linked/a.patch", "link.patch", "folder", "no/a.patch"]
)
def test_no_place_but_a_plain_file_outside_of_git_is_written(tmp_path: Path, place: str) -> None:
    folder = copy("express", tmp_path)
    patch = make_patch(folder, ON_ECS)
    (folder / "linked").symlink_to(folder / ".git")
    (folder / "link.patch").symlink_to(tmp_path / "elsewhere.patch")
    (folder / "folder").mkdir()
    before = contents(folder)
    with pytest.raises(UsageError, match=r"in \.git|cannot be written"):
        write_patch(folder / place, patch)
    assert contents(folder) == before and not (tmp_path / "elsewhere.patch").exists()
    assert not (folder / ".git" / "a.patch").exists()


def test_a_folder_without_an_application_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="package.json does not exist"):
        make_patch(tmp_path, ON_VERCEL)
