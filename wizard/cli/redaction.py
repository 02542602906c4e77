"""Secrets are taken out of texts: those that a run knows, and those that are known by their form.

Pure.
"""

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters of a secret that is known by its value; a shorter one would take half the words with it."""


_QUOTED = r"""["']?\s*[:=]\s*b?["']?"""
"""Between a name and its value: `name=`, `"name": "`, `name: b'`."""


class Redaction:
    """Takes secrets out of texts: those it was told, in every spelling, and those it knows by their looks."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        """The label that replaces each spelling; the longest spelling is first, for it may contain another."""

    def __repr__(self) -> str:
        return f"Redaction({len(self._labels)} spellings)"

    def register(self, value: str | bytes, name: str = "a secret") -> None:
        """A secret of this run. A wrapped data key is told by its fingerprint, anything else by its name."""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        text = text.strip()
        if len(text) < SHORTEST:
            return
        label = _fingerprint(text) or f"[{name}]"
        fresh = {spelling: label for spelling in _spellings(text) if spelling not in self._labels}
        if fresh:
            # A new mapping, for another thread may be reading the old one.
            known = self._labels | fresh
            self._labels = {spelling: known[spelling] for spelling in sorted(known, key=len, reverse=True)}

    def __call__(self, text: str) -> str:
        labels = self._labels
        # Of those that are there alone: a pattern of all, made anew for each further secret, takes a fifth of a run.
        if there := [spelling for spelling in labels if spelling in text]:
            text = re.sub("|".join(map(re.escape, there)), lambda match: labels[match[0]], text)
        # What stands for an i or an s under IGNORECASE and no other spelling: dotless ı, long ſ, dotted İ.
        folded = text.lower().translate(_FOLDED)
        for parts, pattern, replacement in _LOOKS:
            if any(part in folded for part in parts):
                text = re.sub(pattern, replacement, text)
        return text


def _fingerprint(text: str) -> str | None:
    from wizard.core.data_key import MalformedDataKey, WrappedDataKey

    try:
        return f"[data key {WrappedDataKey(value=text).fingerprint}]"
    except MalformedDataKey:
        return None


def _spellings(text: str) -> Iterator[str]:
    import json

    yield text
    yield from (quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1])
    octets = text.encode()
    yield octets.hex()
    # Inside a longer text base64 spells the same octets in three ways, by where they begin.
    for before, cut in ((0, 0), (1, 2), (2, 3)):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            spelled = encode(b"\0" * before + octets).decode().rstrip("=")
            within = spelled[cut:] if (before + len(octets)) % 3 == 0 else spelled[cut:-1]
            if len(within) >= SHORTEST:
                yield within
    yield from (line for line in text.splitlines()[1:] if len(line) >= 20)


def _redacted_name(replacement: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{match['name']}{replacement}"


def _data_key(match: re.Match[str]) -> str:
    return f"{match['name']}{_fingerprint(match['value']) or '[data key]'}"


def _access_key_id(match: re.Match[str]) -> str:
    return f"{match[0][:4]}…{match[0][-4:]}"


def _value_of(names: str, value: str) -> str:
    return rf"(?i)(?P<name>(?:{names}){_QUOTED})(?P<value>{value})"


_FOLDED = str.maketrans({"\u0131": "i", "\u0307": "", "\u017f": "s"})


_WORDS = r"[^\s\"',;&)}\]]+"


_LOOKS: tuple[tuple[tuple[str, ...], str, Callable[[re.Match[str]], str]], ...] = (
    # The whole header, whatever its scheme: a signature says who asked for what.
    (("authorization",), _value_of("(?:proxy-)?authorization", r"[^\r\n\"']+"), _redacted_name("[authorization]")),
    (("bearer ", "basic "), r"(?P<name>\b(?:Bearer|Basic) )[A-Za-z0-9._~+/=-]{6,}", _redacted_name("[authorization]")),
    (("cookie",), _value_of(r"(?:set-)?cookie", r"[^\r\n\"']+"), _redacted_name("[cookie]")),
    # Never of any length: nothing that AWS calls Plaintext may be written down.
    (
        ("plaintext",),
        _value_of(r"\bplaintext(?:blob)?", rf"(?:[^\"'\r\n]*(?=[\"'])|{_WORDS})"),
        _redacted_name("[plaintext]"),
    ),
    (("encrypted_phi_",), _value_of(r"ENCRYPTED_PHI_(?:HASH_)?KEY", r"[A-Za-z0-9+/=_%-]{8,}"), _data_key),
    # KMS's own blobs, wherever they stand.
    (("aqi",), r"(?P<name>)(?P<value>\bAQI[A-D][A-Za-z0-9+/]{80,}={0,2})", _data_key),
    (
        ("secret",),
        _value_of(r"secret[-_ ]?(?:access[-_ ]?)?key|aws[-_ ]secret|secret[-_ ]string", r"[A-Za-z0-9/+=]{16,}"),
        _redacted_name("[secret key]"),
    ),
    (
        ("token",),
        _value_of(r"(?:session|security|access|refresh|id|web[-_ ]identity)[-_ ]?token", _WORDS),
        _redacted_name("[token]"),
    ),
    (
        ("passphrase", "password", "secret"),
        _value_of(r"\b[a-z0-9_]*(?:passphrase|password|client[-_ ]secret)", _WORDS),
        _redacted_name("[secret]"),
    ),
    (
        ("x-amz-",),
        r"(?i)(?P<name>\bX-Amz-(?:Signature|Security-Token|Credential)=)[^\s&\"']+",
        _redacted_name("[signature]"),
    ),
    (("signature=",), r"(?i)(?P<name>\bSignature=)[0-9a-f]{16,}", _redacted_name("[signature]")),
    (("eyj",), r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", lambda _: "[token]"),
    (("pul-",), r"\bpul-[0-9a-f]{16,}", lambda _: "[token]"),
    # A data key in the clear is 64 hex digits. So is a digest, which nobody misses.
    (("",), r"(?<![0-9A-Za-z])[0-9a-fA-F]{64}(?![0-9A-Za-z])", lambda _: "[64 hex digits]"),
    (("akia", "asia"), r"\bA(?:KIA|SIA)[A-Z0-9]{12,}", _access_key_id),
)
"""What a text holds in any case, a pattern, its replacement. Patterns are compiled when a text first needs them: the
log begins before the first question."""
