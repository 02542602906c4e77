"""Applications of prompt_toolkit: what each prompt needs on a terminal, and a long text on a page of its own.

Touches the terminal only through them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.renderer import CPR_Support, Renderer

from wizard.terminal.keyboard import Keyboard
from wizard.terminal.text import folded, shortened

_ESCAPE_SECONDS = 0.2
"""Wait for the rest of an arrow's sequence; afterwards Esc counts as pressed."""

_CLEAN = b"\x1b[?25h\x1b[?2004l\r\n"
"""The sequence that shows the cursor and ends bracketed paste, for a signal that ends the process in a prompt."""

_FAREWELL = b"\x1b[?1049l" + _CLEAN
"""The sequence that restores the former screen too."""


def prepare(application: Application[Any], keyboard: Keyboard) -> None:
    """Let a prompt take the place of its question and discard the keys typed before it is drawn, except Ctrl-C."""
    application.ttimeoutlen = _ESCAPE_SECONDS
    # The terminal is not asked where its cursor is: the answer would come among the keys that are discarded.
    application.renderer.cpr_support = CPR_Support.NOT_SUPPORTED
    if not application.full_screen:
        application.erase_when_done = True
        # The terminal has folded the lines that are too long for its new width: they are all erased.
        renderer = application.renderer
        renderer.erase = partial(_erase, renderer, renderer.erase)  # type: ignore[method-assign]
    is_new = False

    def begin(_: object) -> None:
        nonlocal is_new
        is_new = keyboard.is_terminal

    def discard(_: object) -> None:
        # As late as possible: it is drawn now.
        nonlocal is_new
        if is_new:
            is_new = False
            if keyboard.discard() and not application.is_done:
                application.exit(exception=KeyboardInterrupt)

    def suspend(event: KeyPressEvent) -> None:
        begin(event)
        event.app.suspend_to_background()

    bindings = KeyBindings()
    bindings.add("c-z", eager=True)(suspend)
    for key in ("<sigint>", "c-c"):
        bindings.add(key, eager=True)(lambda event: event.app.exit(exception=KeyboardInterrupt))
    add(application, bindings)
    application.on_reset += begin
    application.before_render += discard


def run(application: Application[Any], keyboard: Keyboard, *, farewell: bytes = _CLEAN) -> Any:
    """The answer. Raises KeyboardInterrupt for Ctrl-C. A signal that ends the process writes `farewell`."""
    if keyboard.is_terminal:
        clear_typeahead(application.input)
        application.input.flush_keys()
    with keyboard.asking(farewell):
        return application.run()


def add(application: Application[Any], bindings: KeyBindings) -> None:
    """Add key bindings. Of those that are eager the last one wins."""
    application.key_bindings = merge_key_bindings([application.key_bindings or KeyBindings(), bindings])


def _erase(renderer: Renderer, erase: Callable[..., None], leave_alternate_screen: bool = True) -> None:
    """Erase the drawing, also after the terminal became narrower."""
    screen, columns = renderer.last_rendered_screen, renderer.output.get_size().columns
    if screen is not None:
        above = (
            max((x for x, cell in screen.data_buffer[row].items() if cell.char.strip()), default=0)
            for row in range(renderer._cursor_pos.y)
        )
        folded = sum(last // columns for last in above) + renderer._cursor_pos.x // columns
        renderer.output.cursor_up(folded)
    erase(leave_alternate_screen=leave_alternate_screen)


_PAGE_KEYS = (
    "Space: next page, b: page before, arrows: a line, q: back to the question",
    "Space: next, b: before, q: back",
    "q: back",
)


def show_page(content: Callable[[], str], keyboard: Keyboard, **options: Any) -> None:
    """Show a long text on the alternate screen until the person returns.

    `content` returns the text, with codes of ECMA-48, for the width that the terminal has now.
    """
    bindings, lines, top, columns, rows = KeyBindings(), [""], 0, 0, 1

    def move(by: int) -> None:
        nonlocal top
        top = max(min(top + by, len(lines) - rows), 0)

    def fit(_: object) -> None:
        nonlocal lines, columns, rows
        size = made.output.get_size()
        if size.columns != columns:
            # An ARN can be longer than the screen is wide: it goes on in the next line, as it would below the question.
            lines, columns = folded(content().strip("\n"), size.columns), size.columns
        rows = max(size.rows - 1, 1)
        move(0)

    def status() -> str:
        where = f"lines {top + 1} to {min(top + rows, len(lines))} of {len(lines)}"
        texts = [f"{where}  ({keys})" for keys in _PAGE_KEYS]
        return next((text for text in texts if len(text) < columns), shortened(where, columns, end=""))

    for keys, by in (
        ((" ", "f", "pagedown", "c-f"), lambda: rows),
        (("b", "pageup", "c-b"), lambda: -rows),
        (("down", "j", "enter"), lambda: 1),
        (("up", "k"), lambda: -1),
        (("home", "g"), lambda: -len(lines)),
        (("end", "G"), lambda: len(lines)),
    ):
        for key in keys:
            bindings.add(key, eager=True)(lambda event, by=by: move(by()))
    for key in ("q", "escape", "d", "<"):
        bindings.add(key, eager=True)(lambda event: event.app.exit(result=None))
    text = Window(FormattedTextControl(lambda: ANSI("\n".join(lines[top : top + rows])), show_cursor=False))
    last = Window(FormattedTextControl(lambda: [("class:question", status())]), height=1)
    made: Application[Any] = Application(
        layout=Layout(HSplit([text, last])), key_bindings=bindings, full_screen=True, **options
    )
    made.before_render += fit
    prepare(made, keyboard)
    run(made, keyboard, farewell=_FAREWELL)
