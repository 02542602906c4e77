"""The versions of the wrapped data key, each with an entry of its own.

Reads and writes one store. A version's entry is only created, never overwritten or deleted. The store's own history is
not relied on: Parameter Store keeps 100 versions, Secrets Manager two.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from components.settings.names import Names
from wizard.aws.data_keys.stores import (
    CREATED_BY,
    CREATED_BY_TAG,
    FINGERPRINT_TAG,
    KEY_ARN_TAG,
    NEXT_FINGERPRINT_TAG,
    NEXT_KEY_ARN_TAG,
    READ_BACK_SECONDS,
    VERSION_TAG,
    Store,
    StoredValue,
    check_value_tag,
    overwrites_of,
    read_with_tags,
    with_check_value,
)
from wizard.core import retry
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied
from wizard.core.models.rotation import DataKeyVersion, StoredKey, VersionOrigin
from wizard.core.next_command import Command
from wizard.core.retry import Reason

NEW_FOLDER = "new"
"""Under the folder of the versions: the places of new data keys, `new/1` and so on (`DataKeyVersions.reserve_new`)."""
ORIGIN_TAG = "eonpro:origin"
SAME_AS_TAG = "eonpro:same-as"
KEPT_AT_TAG = "eonpro:kept-at"
REPLACED_AT_TAG = "eonpro:replaced-at"


@dataclass(frozen=True, kw_only=True)
class DataKeyVersions:
    """The versions of one environment's data key in one store of one Region."""

    store: Store
    names: Names
    """The names of the data key, or of the hash key."""
    tags: Mapping[str, str]

    @property
    def stored_data_key(self) -> str:
        return self.names.stored_data_key

    @property
    def folder(self) -> str:
        """The prefix of all entries' names."""
        return self.names.versions

    def name_of(self, fingerprint: str) -> str:
        """The name of a version's entry: its fingerprint's 16 hex digits, under the folder."""
        return f"{self.folder}/{fingerprint.removeprefix('sha256:')}"

    # --- reading -----------------------------------------------------------------------------------------------

    def stored_key(self) -> StoredKey:
        """The stored value, well formed or not, and its tags."""
        stored, tags = read_with_tags(self.store, self.stored_data_key)
        if stored is None:
            return StoredKey(parameter=self.stored_data_key, version=0)
        wrapped = _wrapped(stored)
        tagged, key_arn = tags.get(FINGERPRINT_TAG), tags.get(KEY_ARN_TAG)
        if wrapped is not None and tags.get(NEXT_FINGERPRINT_TAG) == wrapped.fingerprint:
            key_arn = tags.get(NEXT_KEY_ARN_TAG)
        elif wrapped is None or tagged not in (None, wrapped.fingerprint):
            key_arn = None
        return StoredKey(
            parameter=self.stored_data_key,
            version=stored.version,
            value=stored.value,
            wrapped=wrapped and with_check_value(wrapped, tags),
            key_arn=key_arn,
            tagged=tagged,
            at=stored.at,
            overwrites=overwrites_of(stored, wrapped, tags),
        )

    def versions(self) -> tuple[DataKeyVersion, ...]:
        """Every entry whose value fits its name, and a new or stored data key without an entry; the oldest first."""
        together = self.store.session.together
        stored_key, listing = together(self.stored_key, lambda: self.store.under(self.folder))
        named = {name: wrapped for name, value in listing.items() if (wrapped := self._named(name, value)) is not None}
        fingerprints = {wrapped.fingerprint for name, wrapped in named.items() if not self._is_place(name)}
        counted = {
            name: wrapped
            for name, wrapped in named.items()
            if not self._is_place(name) or wrapped.fingerprint not in fingerprints
        }
        entries = together(
            *(partial(self._entry, name, wrapped, stored_key, listing[name]) for name, wrapped in counted.items())
        )
        versions = [replace(entry, kept=not self._is_place(name)) for name, entry in zip(counted, entries, strict=True)]
        if stored_key.wrapped is not None and all(not version.current for version in versions):
            # A list may not show a new entry yet; the entry is read by its name before it counts as missing.
            versions.append(
                self.version(stored_key.wrapped.fingerprint, stored_key)
                or _without_entry(stored_key, stored_key.wrapped)
            )
        return tuple(
            sorted(
                versions,
                key=lambda version: (
                    version.kept_at is not None,
                    version.kept_at,
                    not version.was_current,
                    version.fingerprint,
                ),
            )
        )

    def fingerprints(self) -> Mapping[str, bool]:
        """Every version, and whether it has an entry; by two requests at the same time."""
        stored, listing = self.store.session.together(
            lambda: self.store.read([self.stored_data_key]), lambda: self.store.under(self.folder)
        )
        current = (wrapped for value in stored.values() if (wrapped := _wrapped(value)) is not None)
        named = {name: wrapped for name, value in listing.items() if (wrapped := self._named(name, value)) is not None}
        entries = {wrapped.fingerprint for name, wrapped in named.items() if not self._is_place(name)}
        return {wrapped.fingerprint: wrapped.fingerprint in entries for wrapped in (*current, *named.values())}

    def altered(self, *, known: Collection[str] = ()) -> tuple[str, ...]:
        entries = self.store.under(self.folder)
        # The place of a new data key is not its only copy, and under a name that is no fingerprint there never was one.
        lost = {name for name, value in entries.items() if self._is_entry(name) and not self._named(name, value)}
        # A list may not show a new entry yet.
        if missing := sorted({*map(self.name_of, known)} - entries.keys()):
            lost |= {*missing} - self.store.read(missing).keys()
        return tuple(sorted(lost))

    def version(self, fingerprint: str, stored_key: StoredKey | None = None) -> DataKeyVersion | None:
        """The version with that fingerprint; None where neither an entry nor the stored data key has it."""
        stored_key = self.stored_key() if stored_key is None else stored_key
        name = self.name_of(fingerprint)
        entry = self.store.read([name]).get(name)
        if entry is not None:
            wrapped = self._named(name, entry)
            if wrapped is not None:
                return self._entry(name, wrapped, stored_key, entry)
        if stored_key.wrapped is not None and stored_key.wrapped.fingerprint == fingerprint:
            return _without_entry(stored_key, stored_key.wrapped)
        # A run may have ended after it reserved a new data key, and before that got its entry.
        return next((version for version in self.versions() if version.fingerprint == fingerprint), None)

    def _named(self, name: str, value: StoredValue) -> WrappedDataKey | None:
        """The wrapped key that a name holds; None for anything else than the name says."""
        wrapped = _wrapped(value)
        fits = wrapped is not None and (self._is_place(name) or self.name_of(wrapped.fingerprint) == name)
        return wrapped if fits else None

    def _is_entry(self, name: str) -> bool:
        return FINGERPRINT.fullmatch(f"sha256:{name.removeprefix(f'{self.folder}/')}") is not None

    def _is_place(self, name: str) -> bool:
        return name.startswith(f"{self.folder}/{NEW_FOLDER}/")

    def _entry(self, name: str, wrapped: WrappedDataKey, stored_key: StoredKey, stored: StoredValue) -> DataKeyVersion:
        """The version of an entry; where no tag says when it was kept, that is when the store got its value."""
        tags = self.store.tags(name)
        overwrites = overwrites_of(stored, wrapped, tags)
        origin = tags.get(ORIGIN_TAG, "")
        return DataKeyVersion(
            wrapped=with_check_value(wrapped, tags),
            key_arn=tags.get(KEY_ARN_TAG),
            parameter=name,
            origin=VersionOrigin(origin) if origin in set(VersionOrigin) else VersionOrigin.UNKNOWN,
            kept_at=_time(tags.get(KEPT_AT_TAG)) or stored.at,
            same_as=tags.get(SAME_AS_TAG) or wrapped.fingerprint,
            current=stored_key.wrapped == wrapped,
            was_current=stored_key.wrapped == wrapped or origin == VersionOrigin.FIRST or REPLACED_AT_TAG in tags,
            # An entry that an earlier version of this program created has no such tag, and is created once.
            overwrites=stored.version - 1 if overwrites is None else overwrites,
        )

    # --- creating an entry -------------------------------------------------------------------------------------

    def keep(
        self,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: VersionOrigin,
        at: datetime,
        same_as: str | None = None,
        was_current: bool = False,
        repairs: bool = False,
    ) -> DataKeyVersion:
        """Create an entry for a version and read it back. The value of an existing entry stays, whoever created it.

        `was_current`: it was the stored data key, and is no longer. `repairs`: an entry with another value than its
        name says gets the right one again. An entry of which this program knows from now on that it has its value is
        tagged so.
        """
        fingerprint = wrapped.fingerprint
        name = self.name_of(fingerprint)
        if name not in self.store.read([name]):
            own = {
                SAME_AS_TAG: same_as or fingerprint,
                **({KEY_ARN_TAG: key_arn} if key_arn else {}),
                **({REPLACED_AT_TAG: at.isoformat(timespec="seconds")} if was_current else {}),
                **check_value_tag(wrapped),
            }
            self._create(name, wrapped, origin, at, own, self._description(wrapped, origin.value))
        elif repairs:
            self._repair(name, wrapped, at=at)
        if (entry := self.read_back(name, wrapped)) is None:
            raise DataKeyConflict(
                f"the {self.store.noun} {name} does not hold the data key {fingerprint}, which its name says; "
                "nothing was overwritten",
                Command(self.store.history_command(name), advice="find out what wrote it"),
            )
        version = self._entry(name, wrapped, self.stored_key(), entry)
        if version.overwrites:
            self.store.tag(name, {VERSION_TAG: entry.id})
        return replace(version, overwrites=0)

    def _repair(self, name: str, wrapped: WrappedDataKey, *, at: datetime) -> None:
        """Give the entry its value again. Another data key that is in it gets an entry of its own first."""
        stored = self.store.read([name])[name]
        if stored.value == wrapped.value:
            return
        other = _wrapped(stored)
        if other is not None and not self.store.read([self.name_of(other.fingerprint)]):
            self.keep(other, key_arn=None, origin=VersionOrigin.UNKNOWN, at=at)
        try:
            self.store.overwrite(name, wrapped.value, stored, description=self._description(wrapped, "restored"))
        except PermissionDenied as error:
            raise PermissionDenied(
                f"{name} has another value than its name says, and the caller may not replace it: no printed policy "
                f"allows that; nothing was changed ({error.message})",
                "run the same command as an administrator of the account",
            ) from error

    def _description(self, wrapped: WrappedDataKey, origin: str) -> str:
        return (
            f"{self.names.label} PHI {self.names.noun} {wrapped.fingerprint}, {origin}; a kept version. "
            "Never delete or overwrite: PHI may be lost with it."
        )

    def _create(
        self,
        name: str,
        wrapped: WrappedDataKey,
        origin: VersionOrigin,
        at: datetime,
        tags: Mapping[str, str],
        description: str,
    ) -> None:
        own = {
            FINGERPRINT_TAG: wrapped.fingerprint,
            ORIGIN_TAG: origin.value,
            KEPT_AT_TAG: at.isoformat(timespec="seconds"),
            CREATED_BY_TAG: CREATED_BY,
            **tags,
        }
        self.store.create(name, wrapped.value, secret=True, description=description, tags={**self.tags, **own})

    def reserve_new(self, wrapped: WrappedDataKey, *, key_arn: str, at: datetime) -> WrappedDataKey:
        """Reserve the one place for a data key that is not in use yet. Returns the key in that place.

        The places are numbered and create-only: of two machines that do this at once, the later one gets the key of the
        earlier one. A place whose data key was current once, or that has none, is used up, and the next number follows.
        """
        number = 0
        while True:
            number += 1
            name = f"{self.folder}/{NEW_FOLDER}/{number}"
            if name not in self.store.read([name]):
                what = f"{self.names.label} PHI {self.names.noun}"
                description = f"{what}, new and not in use yet. Never delete or overwrite."
                self._create(name, wrapped, VersionOrigin.MADE, at, {KEY_ARN_TAG: key_arn}, description)
            existing = self._read_place(name)
            if existing == wrapped:
                return wrapped
            version = self.version(existing.fingerprint) if existing else None
            if existing and (version is None or not version.was_current):
                return existing

    def _read_place(self, name: str) -> WrappedDataKey | None:
        """The data key in a place; None where somebody has put anything else there."""
        for _ in retry.attempts(Reason.CONSISTENCY, clock=self.store.clock, seconds=READ_BACK_SECONDS):
            stored = self.store.read([name]).get(name)
            if stored is not None and (wrapped := _wrapped(stored)) is not None:
                return wrapped
        return None

    def read_back(self, name: str, wrapped: WrappedDataKey) -> StoredValue | None:
        """What is stored under the name, once that is this wrapped key; None where it does not become it."""
        with retry.operation(READ_BACK_SECONDS, clock=self.store.clock):
            for _ in retry.attempts(Reason.CONSISTENCY, clock=self.store.clock):
                stored = self.store.read([name]).get(name)
                if stored is not None and stored.value == wrapped.value:
                    return stored
        return None

    def record_check_value(self, wrapped: WrappedDataKey) -> None:
        """Tag the version's entry, and the stored key where it holds this version, with its key check value.

        It was opened: what another tag said before is replaced.
        """
        tag = check_value_tag(wrapped)
        for name in (self.name_of(wrapped.fingerprint), self.stored_data_key):
            stored, tags = read_with_tags(self.store, name)
            if stored is not None and stored.value == wrapped.value and not tag.items() <= tags.items():
                self.store.tag(name, tag)


def _without_entry(stored_key: StoredKey, wrapped: WrappedDataKey) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=wrapped,
        key_arn=stored_key.key_arn,
        parameter=stored_key.parameter,
        origin=VersionOrigin.FIRST if stored_key.tagged in (None, wrapped.fingerprint) else VersionOrigin.UNKNOWN,
        kept_at=stored_key.at,
        same_as=wrapped.fingerprint,
        current=True,
        was_current=True,
        kept=False,
    )


def _wrapped(stored: StoredValue) -> WrappedDataKey | None:
    try:
        return WrappedDataKey(value=stored.value)
    except MalformedDataKey:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
