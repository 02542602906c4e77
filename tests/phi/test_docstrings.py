"""The examples in the docstrings of eonpro_phi: each is run, and the names that a service uses have one.

Touches nothing: no example calls AWS.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import eonpro_phi

PACKAGE = Path(__file__).parents[2] / "packages" / "phi"
MODULES = [
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in file.read_text()
]
NEED_EXAMPLES = {
    "eonpro_phi.cipher": [
        "PhiCipher",
        *(f"PhiCipher.{name}" for name in "encrypt decrypt encrypt_many encrypt_fields".split()),
    ],
    "eonpro_phi.fields": ["PhiFields"],
    "eonpro_phi.record": ["place"],
    "eonpro_phi.environment": ["WrappedKey"],
}
"""By module, the names that must have an example: what a service uses."""


def examples(module: ModuleType) -> dict[str, doctest.DocTest]:
    """The docstrings of a module that have examples, by the names that they explain."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(module)
    return {test.name.removeprefix(f"{module.__name__}."): test for test in tests if test.examples}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_do_what_they_show(name: str):
    failed, attempted = doctest.testmod(importlib.import_module(name), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert failed == 0 < attempted


def test_what_a_service_uses_is_explained_by_an_example():
    missing = [
        f"{module}.{name}"
        for module, names in NEED_EXAMPLES.items()
        for name in names
        if name not in examples(importlib.import_module(module))
    ]
    assert missing == []


def test_every_public_name_has_a_docstring():
    names = {name: getattr(eonpro_phi, name) for name in eonpro_phi.__all__}
    assert [name for name, value in names.items() if callable(value) and not value.__doc__] == []
