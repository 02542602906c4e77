"""The commands that histories run, the world that each begins in, and what its exit code 0 promises.

Reads the account that it is given, and the history's folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.world import World

Account = Mapping[str, Any]
Check = Callable[[World, Account, Account], list[str]]
"""What is wrong: in a world, by the account as it is, and as the template had it."""

PHI, LOGS = "EONPRO PHI encryption key for HIPAA compliance", "EONPRO audit log encryption key, not for PHI"
PLACE = "us-east-1/eonpro/production"
STORED, VERSIONS = f"{PLACE}/ENCRYPTED_PHI_KEY", f"{PLACE}/data-keys/"
CHECK_VALUES = tuple(f"{PLACE}/ENCRYPTED_PHI_{name}_CHECK_VALUE" for name in ("KEY", "HASH_KEY"))
READING = "ENCRYPTED_PHI_HASH_KEYS_FOR_READING"
HASH_KEY = ("--hash-key", "yes", "--keys-for-reading", "yes", "--key-check-value", "yes")
DELIVERED = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
FORMER_KEY = "4f" * 32
"""The ENCRYPTION_KEY that is adopted."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of the wizard."""

    name: str
    words: tuple[str, ...]
    world: str = "vercel"
    check: Check
    typed: str = ""
    runs_engine: bool = False
    replaces: bool = False
    """Whether it may put another data key in the place of the stored one."""
    new_keys: int = 0
    """How many data keys one confirmation makes."""
    changes: bool = True
    later: int = 0
    """Seconds until the same command can go on: that long, another machine may be at work on the same."""
    done: tuple[int, ...] = (0,)
    """Exit codes of the same command again, after it has done its work."""

    def arguments(self, account: Account) -> tuple[str, ...]:
        """The words, with the fingerprints that this world has."""
        more = ("--stack", "production", "--non-interactive")
        return (*(word.format(**fingerprints(account)) for word in self.words), *more)


def fingerprints(account: Account) -> dict[str, str]:
    """`pending`: of the version that is not the stored data key, the newest; `current`: of the one that is."""
    current = account["parameters"].get(STORED)
    found = {"current": "sha256:none", "pending": "sha256:none"}
    for place, value in account["parameters"].items():
        name = place.removeprefix(VERSIONS)
        if place.startswith(VERSIONS) and re.fullmatch("[0-9a-f]{16}", name):
            found["current" if value == current else "pending"] = f"sha256:{name}"
    return found


# --- what is promised


def phi_keys(account: Account) -> list[Mapping[str, Any]]:
    """The KMS keys for PHI."""
    return [key for key in account["keys"] if key["description"] == PHI]


def whole(world: World, account: Account, template: Account) -> list[str]:
    """Everything that a set-up makes is there, and is as the plan said."""
    wrong = [f"there is no {name}" for name in template["names"] if name not in account["names"]]
    wanted = {key["description"]: key for key in template["keys"]}
    for description, key in wanted.items():
        mine = [each for each in account["keys"] if each["description"] == description]
        same = [all(each[what] == key[what] for what in ("state", "rotates", "period", "policy")) for each in mine]
        if same != [True]:
            wrong.append(f"{description!r}: {len(mine)} keys, as planned: {same}")
    return wrong + delivered(world, account, template)


UNKEPT = "the stored data key is none of the versions"


def stored(world: World, account: Account, template: Account) -> list[str]:
    """There is a stored data key that the KMS key opens, and its version."""
    here = account["dataKeys"].get(STORED, "?")
    kept = [key for place, key in account["dataKeys"].items() if place.startswith(VERSIONS)]
    return [f"the stored data key is {here}"] * here.startswith("?") or [f"{UNKEPT} {kept}"] * (here not in kept)


def delivered(world: World, account: Account, template: Account) -> list[str]:
    """The application's three variables are those of the stack."""
    wanted = {
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": next((key["arn"] for key in phi_keys(account)), None),
        "ENCRYPTED_PHI_KEY": account["parameters"].get(STORED),
    }
    wrong = [name for name, value in wanted.items() if value is None or account["deployed"].get(name) != value]
    return stored(world, account, template) + [f"{name} was not delivered" for name in wrong]


def everywhere(world: World, account: Account, template: Account) -> list[str]:
    """Every Region has the stored data key, its versions and what is delivered beside it."""
    values, keys, wrong = account["parameters"], account["dataKeys"], stored(world, account, template)
    for region in sorted({place.partition("/")[0] for place in template["parameters"]}):
        here = PLACE.replace("us-east-1", region)
        # The slot of the new data key is the stack's own Region's.
        for place in (place for place in keys if place.startswith(f"{PLACE}/") and "/new/" not in place):
            if (there := keys.get(place.replace(PLACE, here))) != keys[place]:
                wrong.append(f"{region} has {there} for {place}, which is {keys[place]}")
        wrong += [f"{region} has no {name}" for name in DELIVERED if f"{here}/{name}" not in values]
    return wrong


def another_everywhere(world: World, account: Account, template: Account) -> list[str]:
    """There is one more data key, in every Region, and the stored one is the one that it was."""
    return another(world, account, template) + everywhere(world, account, template)


def replaced_everywhere(world: World, account: Account, template: Account) -> list[str]:
    """The version that was named is the stored data key in every Region."""
    wanted = account["dataKeys"].get(f"{VERSIONS}{fingerprints(template)['pending'].removeprefix('sha256:')}")
    wrong = wanted is None or account["dataKeys"].get(STORED) != wanted
    return ["another version is stored"] * wrong + everywhere(world, account, template)


def runs(world: World, account: Account, template: Account) -> list[str]:
    """What runs has what was delivered."""
    stale = [name for name, value in account["deployed"].items() if account["runs"]["environment"].get(name) != value]
    return delivered(world, account, template) + [f"what runs has another {name}" for name in stale]


def rotated(world: World, account: Account, template: Account) -> list[str]:
    """The KMS key has been rotated."""
    made = [sum(event["what"] == "kms:RotateKeyOnDemand" for event in each["events"]) for each in (account, template)]
    return ["the key was not rotated"] * (made[0] <= made[1]) + stored(world, account, template)


def schedule(world: World, account: Account, template: Account) -> list[str]:
    """The key's period is the one that was asked for."""
    return [f"the period is {key['period']}" for key in phi_keys(account) if key["period"] != 180]


def another(world: World, account: Account, template: Account) -> list[str]:
    """There is one more data key than before, and the stored one is the one that it was."""
    kept = [{*each["dataKeys"].values()} for each in (account, template)]
    wrong = [f"the data keys are {kept[0]}"] * (len(kept[0]) != len(kept[1] | kept[0]) or not kept[0] > kept[1])
    return wrong + ["the stored data key changed"] * (account["dataKeys"][STORED] != template["dataKeys"][STORED])


def replaced(world: World, account: Account, template: Account) -> list[str]:
    """The version that was named is the stored data key, and delivered."""
    wanted = account["parameters"].get(f"{VERSIONS}{fingerprints(template)['pending'].removeprefix('sha256:')}")
    wrong = account["parameters"].get(STORED) != wanted or wanted is None
    return ["another version is stored"] * wrong + delivered(world, account, template)


def rewrapped(world: World, account: Account, template: Account) -> list[str]:
    """The command wraps the same data key anew. Run again before the key's next rotation, it changes nothing."""
    keys = template["dataKeys"]
    same = account["dataKeys"].get(STORED) == keys[STORED]
    is_again = sum(key == keys[STORED] for place, key in keys.items() if place.startswith(VERSIONS)) > 1
    other = is_again or account["parameters"].get(STORED) != template["parameters"][STORED]
    return ["the data key is another, or its wrapping is not"] * (not (same and other)) + delivered(
        world, account, template
    )


def check_values(world: World, account: Account, template: Account) -> list[str]:
    """Both check values are beside the keys, and neither without the other for good."""
    return [f"{place} was not delivered" for place in CHECK_VALUES if not account["parameters"].get(place)] + stored(
        world, account, template
    )


def another_hash_key(world: World, account: Account, template: Account) -> list[str]:
    """There is one more hash key, the stored one is what it was, and a search tries the new one."""
    before, now = ({*_hash_keys(each)} for each in (template, account))
    stored_key = f"{PLACE}/ENCRYPTED_PHI_HASH_KEY"
    changed = account["parameters"][stored_key] != template["parameters"][stored_key]
    on_vercel = account["deployed"].get(READING)
    tried = on_vercel or account["parameters"].get(f"{PLACE}/{READING}")
    wrong = [f"the hash keys were {len(before)} and are {len(now)}"] * (len(now) != len(before) + 1 or not now > before)
    wrong += ["the stored hash key changed"] * changed
    return wrong + ["a search does not try the new one"] * ({tried} != now - before)


def _hash_keys(account: Account) -> list[str]:
    entries = account["parameters"].items()
    return [value for place, value in entries if place.startswith(f"{PLACE}/hash-keys/") and "/new/" not in place]


def backed_up(world: World, account: Account, template: Account) -> list[str]:
    """The backup can be read, and every version is in it."""
    found = [*world.root.glob("*/backup.json")]
    try:
        text = "".join(json.dumps(json.loads(path.read_text())) for path in found)
    except ValueError as error:
        return [f"a backup cannot be read: {error}"]
    return [
        f"{place} is not in the backup" for place in account["dataKeys"] if account["parameters"][place] not in text
    ]


def active_keys(account: Account) -> list[str]:
    """The ids of the application's access keys that can be used."""
    return [key["id"] for key in account["accessKeys"] if key["status"] == "Active"]


def new_access_key(world: World, account: Account, template: Account) -> list[str]:
    """Vercel has a new access key, and the former one works until what runs was redeployed."""
    active, now = active_keys(account), account["deployed"].get("AWS_ACCESS_KEY_ID")
    before = template["deployed"].get("AWS_ACCESS_KEY_ID")
    return [f"Vercel has {now}; active: {active}"] * (now not in active or now == before or before not in active)


def one_access_key(world: World, account: Account, template: Account) -> list[str]:
    """Only the access key that Vercel has can be used."""
    active, now = active_keys(account), account["deployed"].get("AWS_ACCESS_KEY_ID")
    return [f"Vercel has {now}; active: {active}"] * (active != [now])


def signed(world: World, account: Account, template: Account) -> list[str]:
    """The newest review is signed, and every file of the reviews can be read."""
    found = sorted(world.root.glob("*/reviews/**/*.json"))
    try:
        read = [json.loads(path.read_text()) for path in found]
    except ValueError as error:
        return [f"a review cannot be read: {error}"]
    return ["no review is signed"] * ("A. Reviewer" not in json.dumps(read))


def reported(world: World, account: Account, template: Account) -> list[str]:
    """A report has its three files, each with its end."""
    ends = {"report.html": "</html>", "report.json": "}", "report.md": ""}
    for folder in world.root.glob("*/reports/*/*"):
        files = {path.name: path.read_text().rstrip() for path in folder.iterdir()}
        if all(name in files and files[name].endswith(end) for name, end in ends.items()):
            return []
    return ["there is no whole report"]


def destroyed(world: World, account: Account, template: Account) -> list[str]:
    """What can be made again is gone; the key, the data key and the audit trail's bucket are not."""
    wrong = ["the application's role is there"] * ("role eonpro-app-role" in account["names"])
    bucket = next(name for name in template["names"] if name.startswith("bucket eonpro-cloudtrail"))
    wrong += ["the trail's bucket is gone"] * (bucket not in account["names"])
    states = [key["state"] for key in phi_keys(account)]
    return wrong + [f"the keys are {states}"] * (states != ["Enabled"]) + stored(world, account, template)


def adopted(world: World, account: Account, template: Account) -> list[str]:
    """The former key is a version."""
    return another(world, account, template)


def nothing(world: World, account: Account, template: Account) -> list[str]:
    """Nothing that the account could show."""
    return []


CONFIRMED = ("--confirm", "production")
ANSWERS = ("--answers", "examples/vercel.yaml", "--yes")

COMMANDS = {
    command.name: command
    for command in (
        Command(name="setup", words=("setup", *ANSWERS), world="empty", check=whole, runs_engine=True, new_keys=1),
        Command(name="setup-again", words=("setup", *ANSWERS), check=whole, runs_engine=True),
        Command(name="push", words=("push", "--no-redeploy"), world="undelivered", check=delivered),
        Command(name="push-redeploy", words=("push", "--redeploy", "--yes"), world="undelivered", check=runs),
        Command(name="push-again", words=("push", "--no-redeploy"), check=delivered),
        Command(name="verify", words=("verify",), check=stored, changes=False),
        Command(name="verify-full", words=("verify", "--full"), check=stored, changes=False),
        Command(name="doctor", words=("doctor", "--quick"), check=whole, changes=False),
        Command(name="status", words=("status",), check=nothing, changes=False),
        Command(name="report", words=("report",), check=reported),
        Command(name="review", words=("review", "--sign", "A. Reviewer", "--confirm", "production"), check=signed),
        Command(name="backup", words=("backup", "--to", "backup.json"), check=backed_up),
        Command(name="rotate-cmk", words=("rotate", "--cmk", "--yes"), check=rotated),
        Command(
            name="rotate-schedule", words=("rotate", "--schedule", "180", "--yes"), check=schedule, runs_engine=True
        ),
        Command(name="rotate-data-key", words=("rotate", "--data-key", *CONFIRMED), check=another, new_keys=1),
        Command(
            name="promote",
            words=(
                "rotate",
                "--promote",
                "{pending}",
                "--no-hash-columns",
                "--no-records",
                "--no-redeploy",
                *CONFIRMED,
            ),
            world="pending",
            check=replaced,
            replaces=True,
        ),
        Command(
            name="restore",
            words=("restore", "--version", "{pending}", "--no-redeploy", *CONFIRMED),
            world="promoted",
            check=replaced,
            replaces=True,
        ),
        Command(
            name="rewrap",
            words=("rotate", "--reencrypt", "alias/eonpro-phi-key", "--no-redeploy", *CONFIRMED),
            check=rewrapped,
            replaces=True,
        ),
        Command(
            name="adopt",
            words=("adopt", "--encryption-key", "--no-redeploy", *CONFIRMED),
            typed=FORMER_KEY,
            check=adopted,
            new_keys=1,
        ),
        *(
            Command(
                name=f"{kind}rotate-hash-key",
                words=("rotate", "--hash-key", "--no-redeploy", *CONFIRMED),
                world=f"{kind}hash-key",
                check=another_hash_key,
            )
            for kind in ("", "ecs-")
        ),
        Command(
            name="ecs-push-check-values", words=("push", "--no-redeploy"), world="ecs-unchecked", check=check_values
        ),
        Command(
            name="access-key-rotate",
            words=("access-key", "rotate", "--yes"),
            world="user",
            check=new_access_key,
            later=6 * 60,
        ),
        Command(
            name="access-key-retire",
            words=("access-key", "retire", "--yes"),
            world="user-rotated",
            check=one_access_key,
        ),
        *(
            command
            for kind, push in (("replica", "replica-lost"), ("secrets", "secrets"))
            for command in (
                Command(name=f"{kind}-push", words=("push", "--no-redeploy"), world=push, check=everywhere),
                Command(
                    name=f"{kind}-rotate-data-key",
                    words=("rotate", "--data-key", *CONFIRMED),
                    world=kind,
                    check=another_everywhere,
                    new_keys=1,
                ),
                Command(
                    name=f"{kind}-promote",
                    words=(
                        "rotate",
                        "--promote",
                        "{pending}",
                        "--no-hash-columns",
                        "--no-records",
                        "--no-redeploy",
                        *CONFIRMED,
                    ),
                    world=f"{kind}-pending",
                    check=replaced_everywhere,
                    replaces=True,
                ),
            )
        ),
        Command(
            name="destroy", words=("destroy", "--confirm", "production"), check=destroyed, runs_engine=True, done=(0, 6)
        ),
    )
}
