"""What `withKey` is put around: each shape of a handler, as it is and as it becomes."""

from __future__ import annotations

import pytest

from wizard.inputs.application.edits import Edit, applied
from wizard.inputs.application.handlers import find_handlers, find_wrappers

ROUTE, API, PAGE, OLD_PAGE = "app/api/a/route.ts", "pages/api/a.js", "src/app/a/page.tsx", "pages/a.jsx"


def changed(file: str, text: str) -> str | None:
    """The text with its edits; None where a person has to make them."""
    handlers = [handler for handler in find_handlers(file, text) if not handler.has_key]
    places = [edit for handler in handlers for edit in handler.edits]
    if not places:
        return None
    return applied(text, [Edit(file=file, start=start, end=end, new=new, reason="") for start, end, new in places])


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        (
            ROUTE,
            "export async function GET() {\n  a();\n}\n",
            "export const GET = withKey(async function GET() {\n  a();\n});\n",
        ),
        (ROUTE, "export function PUT(a: A) {\r\n}\r\n", "export const PUT = withKey(function PUT(a: A) {\r\n});\r\n"),
        (ROUTE, "export const GET = read;\n", "export const GET = withKey(read);\n"),
        (ROUTE, "export const GET = read", "export const GET = withKey(read)"),
        (
            ROUTE,
            "export const POST: Handler = async (a) => a;\n",
            "export const POST: Handler = withKey(async (a) => a);\n",
        ),
        (
            ROUTE,
            "export const POST = auth(\n  async ({ b }: { b: string }) => {\n    c('}');\n  },\n  { d }\n);\nnext();\n",
            "export const POST = withKey(auth(\n  async ({ b }: { b: string }) => {\n    c('}');\n  },\n  { d }\n));\n"
            "next();\n",
        ),
        (ROUTE, "export const GET = a\n  .b()\n  .c();\n", "export const GET = withKey(a\n  .b()\n  .c());\n"),
        (
            ROUTE,
            "export async function GET(a: A): Promise<{ b: string }> {\n  return c;\n}\nfunction d() {}\n",
            "export const GET = withKey(async function GET(a: A): Promise<{ b: string }> {\n  return c;\n});\n"
            "function d() {}\n",
        ),
        (API, "export default async function (a, b) {\n}\n", "export default withKey(async function (a, b) {\n});\n"),
        (API, "export default handler;\n", "export default withKey(handler);\n"),
        (API, "export default auth(handler);\n", "export default withKey(auth(handler));\n"),
        (PAGE, "export default function Page() {\n}\n", "export default withKey(function Page() {\n});\n"),
        (
            OLD_PAGE,
            "export async function getServerSideProps() {\n}\nexport default function Page() {}\n",
            "export const getServerSideProps = withKey(async function getServerSideProps() {\n});\n"
            "export default function Page() {}\n",
        ),
        (
            "lib/a.ts",
            "'use server';\nexport async function a() {\n}\n",
            "'use server';\nexport const a = withKey(async function a() {\n});\n",
        ),
    ],
)
def test_a_handler_gets_the_key_around_it_and_nothing_else_changes(file: str, before: str, after: str) -> None:
    assert changed(file, before) == after
    assert changed(file, after) is None and all(handler.has_key for handler in find_handlers(file, after))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (ROUTE, "export const PUT = withKey(GET);\nexport async function GET() {}\n"),  # Used before it is declared.
        (ROUTE, "export const runtime = 'edge';\nexport const GET = read;\n"),  # No KMS there.
        (ROUTE, "export const GET = read(;\n"),
        (ROUTE, "export { read as GET };\n"),
        (ROUTE, "export * from './read';\n"),
        (API, "export default class Handler {}\n"),
        (API, "module.exports = handler;\n"),
    ],
)
def test_what_cannot_be_changed_safely_is_left(file: str, text: str) -> None:
    assert changed(file, text) is None


WRAPPER = """export function auth<T>(handler: H<T>, options = {}): (a: A) => Promise<R> {
  const log = async () => {
    return async () => 1;
  };
  return async (a: A): Promise<R> => {
    if (!a) return none;
    return handler(a);
  };
}
export function adminAuth(handler: H) {
  return auth(handler, { role: 'admin' });
}
function own() {
  return async () => 1;
}
"""


def test_the_functions_that_make_handlers_are_found_with_the_ones_that_call_them() -> None:
    found = find_wrappers("auth.ts", WRAPPER)
    assert {name: wrapper.through for name, wrapper in found.items()} == {"auth": "", "adminAuth": "auth"}
    edits = [Edit(file="auth.ts", start=start, end=end, new=new, reason="") for start, end, new in found["auth"].edits]
    after = applied(WRAPPER, edits)
    assert after == WRAPPER.replace("return async (a: A)", "return withKey(async (a: A)").replace(
        "    return handler(a);\n  };", "    return handler(a);\n  });"
    )
    assert find_wrappers("auth.ts", str(after))["auth"].has_key
