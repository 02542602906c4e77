"""The kept versions of the wrapped data key, each under its own name next to the stored data key; and the one way to
replace the stored data key.

Touches only the store it is given. A version's entry is only created: never overwritten, never deleted. The history
that a store keeps by itself is not relied on: Parameter Store forgets after 100 versions, Secrets Manager after two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from wizard.aws.data_keys.stored import store_data_key
from wizard.aws.data_keys.stores import (
    DESCRIPTION,
    FINGERPRINT_TAG,
    KEY_ARN_TAG,
    MADE_BY,
    MADE_BY_TAG,
    NEXT_FINGERPRINT_TAG,
    NEXT_KEY_ARN_TAG,
    READ_BACK_SECONDS,
    Held,
    Store,
)
from wizard.core import retry
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict
from wizard.core.models.rotation import DataKeyVersion, StoredKey, VersionOrigin
from wizard.core.retry import Reason

FOLDER = "data-keys"
ORIGIN_TAG = "eonpro:origin"
SAME_AS_TAG = "eonpro:same-as"
KEPT_AT_TAG = "eonpro:kept-at"
REPLACED_AT_TAG = "eonpro:replaced-at"


@dataclass(frozen=True, kw_only=True)
class DataKeyVersions:
    """The versions of one environment's data key in one store of one Region."""

    store: Store
    prefix: str
    """`/eonpro/production`."""
    stored_data_key: str
    tags: Mapping[str, str]

    @property
    def folder(self) -> str:
        """What the names of all entries begin with."""
        return f"{self.prefix}/{FOLDER}"

    def name_of(self, fingerprint: str) -> str:
        """The name of a version's entry: its fingerprint's 16 hex digits, under the folder."""
        return f"{self.folder}/{fingerprint.removeprefix('sha256:')}"

    # --- reading -----------------------------------------------------------------------------------------------

    def stored_key(self) -> StoredKey:
        """What is stored, well formed or not, and what its tags say of it."""
        found = self.store.read([self.stored_data_key]).get(self.stored_data_key)
        if found is None:
            return StoredKey(parameter=self.stored_data_key, version=0)
        wrapped = _wrapped(found)
        tags = self.store.tags(self.stored_data_key)
        told, key_arn = tags.get(FINGERPRINT_TAG), tags.get(KEY_ARN_TAG)
        if wrapped is not None and tags.get(NEXT_FINGERPRINT_TAG) == wrapped.fingerprint:
            key_arn = tags.get(NEXT_KEY_ARN_TAG)
        elif wrapped is None or told not in (None, wrapped.fingerprint):
            key_arn = None
        return StoredKey(
            parameter=self.stored_data_key,
            version=found.version,
            value=found.value,
            wrapped=wrapped,
            key_arn=key_arn,
            told=told,
        )

    def versions(self) -> tuple[DataKeyVersion, ...]:
        """Every entry that holds what its name says, the oldest first, and the stored one where it has none."""
        stored_key = self.stored_key()
        found = [
            self._entry(name, wrapped, stored_key)
            for name, held in self.store.under(self.folder).items()
            if (wrapped := self._named(name, held)) is not None
        ]
        if stored_key.wrapped is not None and all(not each.current for each in found):
            # A list may lag behind what was just written; an entry is read by its name before it is called missing.
            found.append(
                self.version(stored_key.wrapped.fingerprint, stored_key) or _unkept(stored_key, stored_key.wrapped)
            )
        return tuple(
            sorted(
                found, key=lambda each: (each.kept_at is not None, each.kept_at, not each.was_current, each.fingerprint)
            )
        )

    def altered(self) -> tuple[str, ...]:
        """The names of entries whose value somebody replaced: they no longer hold what their name says."""
        found = self.store.under(self.folder).items()
        return tuple(sorted(name for name, held in found if self._named(name, held) is None))

    def version(self, fingerprint: str, stored_key: StoredKey | None = None) -> DataKeyVersion | None:
        """The version of that fingerprint; None where neither the kept versions nor the stored data key has it."""
        stored_key = self.stored_key() if stored_key is None else stored_key
        name = self.name_of(fingerprint)
        held = self.store.read([name]).get(name)
        if held is not None:
            wrapped = self._named(name, held)
            if wrapped is None:
                raise DataKeyConflict(
                    f"the {self.store.noun} {name} does not hold the data key that its name says: somebody replaced "
                    "its value; nothing was overwritten",
                    f"{self.store.history_command(name)}   # find who wrote it, and put its first version back",
                )
            return self._entry(name, wrapped, stored_key)
        if stored_key.wrapped is not None and stored_key.wrapped.fingerprint == fingerprint:
            return _unkept(stored_key, stored_key.wrapped)
        return None

    def _named(self, name: str, held: Held) -> WrappedDataKey | None:
        wrapped = _wrapped(held)
        return wrapped if wrapped is not None and self.name_of(wrapped.fingerprint) == name else None

    def _entry(self, name: str, wrapped: WrappedDataKey, stored_key: StoredKey) -> DataKeyVersion:
        tags = self.store.tags(name)
        origin = tags.get(ORIGIN_TAG, "")
        return DataKeyVersion(
            wrapped=wrapped,
            key_arn=tags.get(KEY_ARN_TAG),
            parameter=name,
            origin=VersionOrigin(origin) if origin in set(VersionOrigin) else VersionOrigin.UNKNOWN,
            kept_at=_time(tags.get(KEPT_AT_TAG)),
            same_as=tags.get(SAME_AS_TAG) or wrapped.fingerprint,
            current=stored_key.wrapped == wrapped,
            was_current=stored_key.wrapped == wrapped or origin == VersionOrigin.FIRST or REPLACED_AT_TAG in tags,
        )

    # --- keeping -----------------------------------------------------------------------------------------------

    def keep(
        self,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: VersionOrigin,
        at: datetime,
        same_as: str | None = None,
    ) -> DataKeyVersion:
        """An entry for a version, create-only and read back. One that is there, whoever made it, is left as it is."""
        fingerprint = wrapped.fingerprint
        name = self.name_of(fingerprint)
        if name not in self.store.read([name]):
            own = {
                FINGERPRINT_TAG: fingerprint,
                ORIGIN_TAG: origin.value,
                SAME_AS_TAG: same_as or fingerprint,
                KEPT_AT_TAG: at.isoformat(timespec="seconds"),
                MADE_BY_TAG: MADE_BY,
                **({KEY_ARN_TAG: key_arn} if key_arn else {}),
            }
            self.store.create(
                name,
                wrapped.value,
                secret=True,
                description=f"EONPRO PHI data key {fingerprint}, {origin.value}; a kept version. "
                "Never delete or overwrite: PHI may be lost with it.",
                tags={**self.tags, **own},
            )
        held = self._read_back(name, wrapped)
        if held is None:
            raise DataKeyConflict(
                f"the {self.store.noun} {name} does not hold the data key {fingerprint}, which it is the name for; "
                "nothing was overwritten",
                f"{self.store.history_command(name)}   # find out what wrote it",
            )
        return self._entry(name, wrapped, self.stored_key())

    def _read_back(self, name: str, wrapped: WrappedDataKey) -> Held | None:
        for _ in retry.attempts(Reason.CONSISTENCY, clock=self.store.clock, seconds=READ_BACK_SECONDS):
            held = self.store.read([name]).get(name)
            if held is not None and held.value == wrapped.value:
                return held
        return None

    # --- the one replacement -----------------------------------------------------------------------------------

    def replace_current(self, version: DataKeyVersion, *, key_arn: str, seen: StoredKey, at: datetime) -> None:
        """The kept version into the store, in place of what was read there.

        Each step leaves the stored data key readable, and the same call takes a crash up wherever it came: 1. both versions are
        among the kept versions; 2. the tags name the next one; 3. the value is replaced; 4. the tags name it alone.
        Parameter Store has no conditional overwrite: what is written between the last look and the write is seen
        afterwards, by the version's number, and told; it is in the parameter's history, and among the kept versions if it was a
        version of ours.
        """
        self._both_kept(version, seen)
        final = {FINGERPRINT_TAG: version.fingerprint, KEY_ARN_TAG: key_arn}
        if not seen.taken:
            if not store_data_key(self.store, self.stored_data_key, version.wrapped, key_arn=key_arn, tags=self.tags):
                raise self._moved(seen)
            self._read_back_or_refuse(version)
            return
        if seen.value != version.wrapped.value:
            if seen.wrapped is not None:
                # Before the value: whoever looks after a crash knows that this one has been in use.
                replaced = {REPLACED_AT_TAG: at.isoformat(timespec="seconds")}
                self.store.tag(self.name_of(seen.wrapped.fingerprint), replaced)
            self.store.tag(
                self.stored_data_key,
                {NEXT_FINGERPRINT_TAG: version.fingerprint, NEXT_KEY_ARN_TAG: key_arn, MADE_BY_TAG: MADE_BY},
            )
            there = self.store.read([self.stored_data_key]).get(self.stored_data_key)
            if there is None or (there.value, there.version) != (seen.value, seen.version):
                raise self._moved(seen)
            self.store.overwrite(self.stored_data_key, version.wrapped.value, there, description=DESCRIPTION)
            number = self._read_back_or_refuse(version)
            if number > seen.version + 1:
                raise DataKeyConflict(
                    f"somebody else wrote to {self.stored_data_key} at the same moment; it holds {version.fingerprint} now",
                    f"{self.store.history_command(self.stored_data_key)}   # look what it was, then run the same command again",
                )
        tags = self.store.tags(self.stored_data_key)
        if any(tags.get(name) != text for name, text in final.items()):
            self.store.tag(self.stored_data_key, final)
        if NEXT_FINGERPRINT_TAG in tags or NEXT_KEY_ARN_TAG in tags or seen.value != version.wrapped.value:
            self.store.untag(self.stored_data_key, (NEXT_FINGERPRINT_TAG, NEXT_KEY_ARN_TAG))

    def _both_kept(self, version: DataKeyVersion, seen: StoredKey) -> None:
        needed = [version.wrapped, *([seen.wrapped] if seen.wrapped is not None else [])]
        names = {self.name_of(each.fingerprint): each.value for each in needed}
        there = self.store.read(list(names))
        for name, value in names.items():
            if name not in there or there[name].value != value:
                raise DataKeyConflict(
                    f"{self.stored_data_key} was not touched: {name} does not keep the version that it is the name for",
                    "run the same command again: it keeps both versions first",
                )

    def _read_back_or_refuse(self, version: DataKeyVersion) -> int:
        held = self._read_back(self.stored_data_key, version.wrapped)
        if held is None:
            raise DataKeyConflict(
                f"{self.stored_data_key} does not hold {version.fingerprint}, just written to it: somebody else writes to it",
                f"{self.store.history_command(self.stored_data_key)}   # look who, then run the same command again",
            )
        return held.version

    def _moved(self, seen: StoredKey) -> DataKeyConflict:
        was = seen.wrapped.fingerprint if seen.wrapped else "empty" if not seen.taken else "no data key"
        return DataKeyConflict(
            f"{self.stored_data_key} is not as it was when this was confirmed ({was}): somebody else changed it meanwhile; "
            "it was not touched",
            "run the same command again, and look at what it shows",
        )


def _unkept(stored_key: StoredKey, wrapped: WrappedDataKey) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=wrapped,
        key_arn=stored_key.key_arn,
        parameter=stored_key.parameter,
        origin=VersionOrigin.FIRST if stored_key.told in (None, wrapped.fingerprint) else VersionOrigin.UNKNOWN,
        kept_at=None,
        same_as=wrapped.fingerprint,
        current=True,
        was_current=True,
        kept=False,
    )


def _wrapped(held: Held) -> WrappedDataKey | None:
    try:
        return WrappedDataKey(value=held.value)
    except MalformedDataKey:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
