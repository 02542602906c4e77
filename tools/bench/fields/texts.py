"""Texts as PHI fields hold them: 50 to 200 bytes of UTF-8, in several scripts, all different.

Pure.
"""

import random
from collections.abc import Sequence

LEAST, MOST = 50, 200
"""Bytes of UTF-8."""

_SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,-@/",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,-@/",
    "aábcčdďeéěfghiíjklmnňoópqrřsštťuúůvwxyýzž äöüß ñçøå",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя ΑΒΓΔΕΖΗΘ",
    "東京都新宿区西一丁目山田太郎 서울특별시 😀🏥",
)
_random = random.Random(7)


def texts(count: int) -> Sequence[str]:
    """This many new texts; the same in every run of the benchmark."""
    return [_text() for _ in range(count)]


def _text() -> str:
    script = _random.choice(_SCRIPTS)
    size = _random.randint(LEAST, MOST)
    # As many characters of the script as fit, then plain ones up to the size.
    width = max(len(character.encode()) for character in script)
    chosen = "".join(_random.choices(script, k=size // width))
    return chosen + "".join(_random.choices(_SCRIPTS[0], k=size - len(chosen.encode())))
