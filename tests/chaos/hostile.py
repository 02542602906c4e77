"""Input that somebody made to do harm: nothing is lost, nothing is obeyed, and every refusal is a sentence.

Writes into the folders of worlds below the stage's folder. NAME is PLACE/NUMBER: the number draws what is in it.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos.commands import COMMANDS, CONFIRMED, Command, nothing, stored
from tests.chaos.histories import FAST, Stage
from tests.chaos.judge import Judge, Verdict
from tests.chaos.world import World

ESCAPES = (
    "\x1b[2J\x1b[31m", "\x1b]0;owned\x07", "\x9b31m", "\u202e", "\u2066", "\u200e", "\x00", "\r\n  next: rm -rf ~\n",
    "\u2028✗ gone", "\x7f\x08\x08",
)  # fmt: skip
TEXTS = (
    *ESCAPES, "x" * 200_000, "'; DROP TABLE patient; --", "$(touch owned)", "`touch owned`", "../../../../etc/passwd",
    "%s%n{0}{__class__}", "-rf", "", " ", "null", "NaN", "1e999", "\xed\xa0\x80",
    "arn:aws:kms:us-east-1:000000000000:key/x", "!!python/object/apply:os.system ['touch owned']", "&a [*a, *a]",
)  # fmt: skip


def hostile(stage: Stage, name: str) -> Verdict:
    """One input at one place."""
    place, _, number = name.partition("/")
    chance = random.Random(f"hostile/{name}")
    with stage.fork(_WORLDS.get(place, "vercel"), seed=int(number)) as (world, template):
        judge = Judge(f"hostile:{name}", world, template)
        command, more = PLACES[place](world, chance, template)
        judge.about_to_run(command)
        ended = world.run(*command.arguments(template), client=stage.client(**FAST), **more)
        judge.ended(command, ended)
        strange = sorted({hex(ord(each)) for each in ended.output if each not in "\n\r\t" and _is_strange(each)})
        if strange:
            judge.verdict.not_converged.append(f"it printed {', '.join(strange)}")
        account = world.account()
        if (world.folder / "owned").exists():
            judge.verdict.wrong.append("a command in the input was carried out")
        if account["dataKeys"].keys() < template["dataKeys"].keys():
            judge.verdict.overwritten.append("a data key is gone")
        return judge.sentence()


def _is_strange(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _mutated(text: str, chance: random.Random) -> bytes:
    """The text with a value, a line or some bytes replaced."""
    content = text.encode()
    match chance.randrange(6):
        case 0:
            lines = text.splitlines()
            number = chance.choice(
                [index for index, line in enumerate(lines) if ":" in line and not line.startswith("#")]
            )
            head, _, _ = lines[number].partition(":")
            lines[number] = f"{head}: {json.dumps(chance.choice(TEXTS), ensure_ascii=chance.random() < 0.7)}"
            return "\n".join(lines).encode(errors="surrogatepass")
        case 1:
            return content[: chance.randrange(len(content))]
        case 2:
            at = chance.randrange(len(content))
            return content[:at] + chance.randbytes(chance.choice((1, 8, 400))) + content[at:]
        case 3:
            return chance.choice((b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b"", b"null", b"[]", b"- \x00"))
        case 4:
            return b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
                b"%c: &%c [%s]\n" % (98 + depth, 98 + depth, b",".join([b"*%c" % (97 + depth)] * 9))
                for depth in range(9)
            )
        case _:
            return chance.choice(TEXTS).encode(errors="surrogatepass") + content


def _answers(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    text = (world.folder / "examples" / "vercel.yaml").read_text()
    (world.folder / "answers.yaml").write_bytes(_mutated(text, chance))
    words = chance.choice((("policy", "operator"), ("cost",), ("push", "--no-redeploy")))
    return Command(name="hostile", words=(*words, "--answers", "answers.yaml"), check=nothing), {}


def _stack_file(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    path = world.folder / "Pulumi.production.yaml"
    path.write_bytes(_mutated(path.read_text(), chance))
    words = chance.choice((("push", "--no-redeploy"), ("status",), ("backup", "--to", "b.json"), ("doctor", "--quick")))
    return Command(name="hostile", words=words, check=nothing), {}


def _project(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    folder = world.folder / ".vercel"
    folder.mkdir()
    linked = {"projectId": "prj_x", "orgId": "team_x", "projectName": "eonpro"}
    linked[chance.choice(list(linked))] = chance.choice(TEXTS)
    text = json.dumps(linked, indent=1)
    (folder / "project.json").write_bytes(text.encode() if chance.random() < 0.6 else _mutated(text, chance))
    words = chance.choice((("push", "--no-redeploy"), ("status", "--all"), ("doctor", "--quick")))
    return Command(name="hostile", words=words, check=nothing), {}


def _backup(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    command = COMMANDS["backup"]
    ended = world.run(*command.arguments(template), client=FAST)
    assert ended.code == 0, ended.output
    path = world.folder / "backup.json"
    path.write_bytes(_mutated(path.read_text(), chance))
    words = ("restore", "--from-backup", "backup.json", "--no-redeploy", *CONFIRMED)
    return Command(name="hostile", words=words, check=stored, replaces=True), {}


def _names(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    text = chance.choice(TEXTS).replace("\0", "")[:100_000]
    words = chance.choice(
        (
            ("rotate", "--promote", text, *CONFIRMED),
            ("restore", "--version", text, *CONFIRMED),
            ("review", "--sign", text, "--confirm", "production"),
            ("push", "--to", text),
            ("push", "--to", "preview", "--branch", text, "--no-redeploy"),
            ("push", "--rename-existing", text),
            ("backup", "--to", text),
            ("backup", "--to-region", text),
            ("status", "--profile", text),
            ("rotate", "--reencrypt", text, *CONFIRMED),
            ("schema", text),
            (text,),
        )
    )
    return Command(
        name="hostile", words=tuple(word.replace("{", "{{").replace("}", "}}") for word in words), check=nothing
    ), {}


def _api(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    words = chance.choice(
        (("push", "--no-redeploy"), ("doctor", "--quick"), ("review",), ("report",), ("status",), ("restore",))
    )
    orders = {"probability": chance.choice((0.1, 0.3, 0.6)), "seed": chance.randrange(1 << 30), "kinds": ["hostile"]}
    return Command(name="hostile", words=(*words, *chance.choice(((), ("--debug",)))), check=nothing), {
        "orders": orders
    }


def _database(world: World, chance: random.Random, template: Any) -> tuple[Command, dict[str, Any]]:
    text = [chance.choice(TEXTS).replace("\0", "")[:50_000] for _ in range(3)]
    table, dsn, columns = (
        each if chance.random() < 0.5 else good
        for each, good in zip(text, ("patient", "postgresql://127.0.0.1:9/x", "ssn"), strict=True)
    )
    words = (
        "-m",
        "eonpro_phi",
        "reencrypt",
        "--dsn",
        dsn,
        "--table",
        table,
        "--columns",
        columns,
        "--key-column",
        "id",
    )
    env = {"NEW_ENCRYPTED_PHI_KEY": text[0].replace("\0", "") or "x", "ENCRYPTED_PHI_KEY": text[1] or "x"}

    class Phi(Command):
        def arguments(self, account: Any) -> tuple[str, ...]:
            return self.words

    return Phi(name="hostile", words=words, check=nothing), {"env": env}


PLACES: Mapping[str, Callable[[World, random.Random, Any], tuple[Command, dict[str, Any]]]] = {
    "answers": _answers,
    "stack-file": _stack_file,
    "project": _project,
    "backup": _backup,
    "names": _names,
    "api": _api,
    "database": _database,
}
_WORLDS = {"backup": "promoted"}


def names(count: int, seed: int) -> list[str]:
    """The names of histories, each place in its turn."""
    return [f"{place}/{seed * 100_000 + number}" for number in range(count) for place in PLACES][:count]
