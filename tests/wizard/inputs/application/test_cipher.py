"""Which modules of an application are moved to the library: those of its record format, as a whole or not at all."""

from __future__ import annotations

import pytest

from wizard.inputs.application.cipher import move
from wizard.inputs.application.edits import applied

MODULE = """import { log } from './log';
const { createCipheriv, createDecipheriv, randomBytes } = require('node:crypto');

const key = () => Buffer.from(process.env.ENCRYPTION_KEY ?? '', 'hex');
const quotes = /["'`{(]/g; // A pattern with brackets that have no partner.
export const shown = `record of ${`"${quotes}" }`}`;

export const encryptPHI = (text) => {
  if (/[({]/.test(text)) log('brackets');
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-gcm', key(), iv);
  const sealed = Buffer.concat([
    cipher.update(text, 'utf8'),
    cipher.final(),
  ]);
  return [iv, cipher.getAuthTag(), sealed].map((part) => part.toString('base64')).join(':');
};

export const decryptPHI = (record) => {
  const [iv, tag, sealed] = record.split(':').map((part) => Buffer.from(part, 'base64'));
  const decipher = createDecipheriv('aes-256-gcm', key(), iv);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
};
"""
"""Both ways of importing, arrow functions, patterns and templates with brackets; written for this test."""
MOVED = """import { decryptPHI as openRecord, encryptPHI as makeRecord } from '@eonpro/phi';
import { log } from './log';

const quotes = /["'`{(]/g; // A pattern with brackets that have no partner.
export const shown = `record of ${`"${quotes}" }`}`;

export const encryptPHI = (text) => {
  if (/[({]/.test(text)) log('brackets');
  return makeRecord(text);
};

export const decryptPHI = (record) => {
  return openRecord(record);
};
"""


def moved(text: str, file: str = "lib/phi.js") -> str | None:
    edits = move(file, text, frozenset())
    return applied(text, edits) if edits else None


def test_only_the_work_with_the_key_is_replaced() -> None:
    assert moved(MODULE) == MOVED
    assert move("lib/phi.js", MOVED, frozenset()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Records of another form, which the library does not read.
        ("randomBytes(16)", "randomBytes(12)"),
        ("aes-256-gcm", "aes-256-cbc"),
        ("join(':')", "join('.')"),
        ("[iv, cipher.getAuthTag(), sealed]", "[iv, sealed, cipher.getAuthTag()]"),
        ("[iv, cipher.getAuthTag(), sealed]", "[cipher.getAuthTag(), iv, sealed]"),
        ("'base64'", "'hex'"),
        ("  decipher.setAuthTag(tag);", "  decipher.setAuthTag(tag);\n  decipher.setAAD(Buffer.from('patient'));"),
        # Work that would be lost.
        ("  decipher.setAuthTag(tag);", "  decipher.setAuthTag(tag);\n  audit(record);"),
        ("  decipher.setAuthTag(tag);", "  decipher.setAuthTag(tag);\n  if (old) return open(record);"),
        # A second way to a key: half of the records would be under another one.
        ("  const iv = randomBytes(16);", "  if (old) return seal(key(), text);\n  const iv = randomBytes(16);"),
        ("export const decryptPHI = ", "export const readPHI = "),
        ("export const shown", "export const masterKey = key();\nexport const shown"),
        # Not a function with a body.
        ("export const decryptPHI = (record) => {", "export const decryptPHI = (record) => open(() => {"),
        ("export const shown = ", "}\nexport const shown = "),
    ],
)
def test_another_shape_is_left_as_a_whole(old: str, new: str) -> None:
    assert old in MODULE
    assert moved(MODULE.replace(old, new)) is None


def test_a_declared_type_without_null_stays_right() -> None:
    text = MODULE.replace("(text) =>", "(text: string): string =>").replace(
        "(record) =>", "(record: string): string =>"
    )
    assert "return makeRecord(text) as string;" in str(moved(text, "lib/phi.ts"))
    nullable = MODULE.replace("(text) =>", "(text: string | null): string | null =>")
    assert "return makeRecord(text);" in str(moved(nullable, "lib/phi.ts"))
