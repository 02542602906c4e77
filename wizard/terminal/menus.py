"""Questions on a terminal that can draw: a list with a pointer or ticks, a line of text, a secret, yes or no; a page.

Touches the terminal only through applications of prompt_toolkit, those of lines made by questionary. A long text is a
page of its own, on the alternate screen: the screen before it comes back afterwards.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

import questionary
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.formatted_text.utils import split_lines
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.output import create_output
from prompt_toolkit.renderer import CPR_Support, Renderer

from wizard.core.models.inputs import Choice
from wizard.terminal import lists, prompts
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.lists import ChoiceList, TickList
from wizard.terminal.text import cells, divided, shortened

STYLE = questionary.Style.from_dict(
    {
        "qmark": "ansicyan",
        "question": "bold",
        "answer": "noinherit ansicyan",
        "pointer": "bold",
        "highlighted": "bold",
        "selected": "noreverse",
        "validation-toolbar": "noinherit ansiyellow",
    }
)
"""Colours by the names of the ANSI palette, which each person chooses."""

_HIDDEN = "********"

_ESCAPE_SECONDS = 0.2
"""Wait for the rest of an arrow's sequence; afterwards Esc counts as pressed."""

_CLEAN = b"\x1b[?25h\x1b[?2004l\r\n"
"""The sequence that shows the cursor and ends bracketed paste, for a signal that ends the process in a prompt."""

FAREWELL = b"\x1b[?1049l\x1b[?25h\x1b[?2004l\r\n"
"""The sequence that restores the former screen, for a signal that ends the process."""

_PAGE_KEYS = (
    "Space: next page, b: page before, arrows: a line, q: back to the question",
    "Space: next, b: before, q: back",
    "q: back",
)


class _Page:
    """The part of the text that is on the screen."""

    def __init__(self, content: Callable[[], str]) -> None:
        self._content = content
        self._columns = 0
        self._lines: list[Any] = []
        self._top = 0
        self._rows = 1
        """Number of lines of the text that fit the screen."""

    def fit(self, columns: int, rows: int) -> None:
        """Take the size of the screen, its last row for the keys."""
        if columns != self._columns:
            self._columns = columns
            lines = split_lines(to_formatted_text(ANSI(self._content().strip("\n"))))
            # An ARN can be longer than the screen is wide: it goes on in the next line, as it would below the question.
            self._lines = [piece for line in lines for piece in _folded(line, columns)]
        self._rows = max(rows - 1, 1)
        self.to(self._top)

    def to(self, line: int) -> None:
        self._top = max(min(line, len(self._lines) - self._rows), 0)

    def by(self, lines: int = 0, *, pages: int = 0) -> None:
        self.to(self._top + lines + pages * self._rows)

    def shown(self) -> Any:
        lines = self._lines[self._top : self._top + self._rows]
        return [part for line in lines for part in (*line, ("", "\n"))][:-1]

    def status(self) -> str:
        end = min(self._top + self._rows, len(self._lines))
        where = f"lines {self._top + 1} to {end} of {len(self._lines)}"
        texts = [f"{where}  ({keys})" for keys in _PAGE_KEYS]
        return next((text for text in texts if len(text) < self._columns), shortened(where, self._columns, end=""))


def _folded(line: StyleAndTextTuples, columns: int) -> list[StyleAndTextTuples]:
    """The line in pieces that are no wider than the screen."""
    pieces: list[StyleAndTextTuples] = [[]]
    used = 0
    for style, text, *_ in line:
        for character in text:
            width = cells(character)
            if used + width > columns:
                pieces.append([])
                used = 0
            pieces[-1].append((style, character))
            used += width
    return pieces


def long_text(content: Callable[[], str], **options: Any) -> Application[Any]:
    """The page. `content` returns the text, with codes of ECMA-48, for the width that the terminal has now."""
    page, bindings = _Page(content), KeyBindings()

    def bind(act: Callable[[], None], *keys: str) -> None:
        for key in keys:
            bindings.add(key, eager=True)(lambda event: act())

    bind(lambda: page.by(pages=1), " ", "f", "pagedown", "c-f")
    bind(lambda: page.by(pages=-1), "b", "pageup", "c-b")
    bind(lambda: page.by(1), "down", "j", "enter")
    bind(lambda: page.by(-1), "up", "k")
    bind(lambda: page.to(0), "home", "g")
    bind(lambda: page.to(1_000_000), "end", "G")
    for key in ("q", "escape", "d", "<"):
        bindings.add(key, eager=True)(lambda event: event.app.exit(result=None))

    def size(_: object) -> None:
        screen = made.output.get_size()
        page.fit(screen.columns, screen.rows)

    text = FormattedTextControl(page.shown, focusable=True, show_cursor=False)
    layout = HSplit(
        [
            Window(text),
            Window(FormattedTextControl(lambda: [("class:question", page.status())]), height=Dimension.exact(1)),
        ]
    )
    made: Application[Any] = Application(
        layout=Layout(layout, focused_element=text), key_bindings=bindings, full_screen=True, **options
    )
    made.before_render += size
    return made


class _Message:
    """A question with the keys that have an effect now; questionary formats it whenever it draws."""

    def __init__(self, text: str, hint: str, has_effect: Callable[[], bool]) -> None:
        self._text, self._hint, self._has_effect = text, hint, has_effect

    def __format__(self, spec: str) -> str:
        return " ".join(filter(None, (self._text, self._hint if self._has_effect() else "")))


class DrawnPrompts:
    """Drawn prompts. An answered one is replaced by a line with the question and its answer."""

    edits_default = True

    def __init__(
        self,
        out: TextIO,
        *,
        width: int,
        on_answer: Callable[[str, str], None],
        write: Callable[[str], None],
        keyboard: Keyboard,
    ) -> None:
        """`on_answer` takes the question and the answer, which is empty after Ctrl-C; `write` takes a message."""
        self._width = width
        self._on_answer, self._write, self._keyboard = on_answer, write, keyboard
        self._options: dict[str, Any] = {"style": STYLE}
        if out is not sys.stdout and out.isatty():
            self._options["output"] = create_output(stdout=out)

    def text(self, request: prompts.PromptRequest, *, default: str) -> str:
        """A line; the default is in it and can be edited."""
        typed = self._line(questionary.text, request, default)
        self._on_answer(request.text, typed)
        return typed

    def secret(self, request: prompts.PromptRequest) -> str:
        """A line that is masked while it is typed."""
        typed = self._line(questionary.password, request, "")
        self._on_answer(request.text, _HIDDEN if typed else "")
        return typed

    def select(self, request: prompts.PromptRequest, choices: Sequence[Choice], *, default: str | None) -> str:
        shown = ChoiceList(choices, request.state, default=default, width=self._width)
        words = "/".join(choice.words[0] for choice in choices if choice.words)
        keys = (f"{words} or arrows, Enter", *prompts.SELECT_KEYS[1:]) if words else prompts.SELECT_KEYS
        value = str(self._run_list(shown, request, keys))
        self._on_answer(request.text, _titles(choices)[value])
        return value

    def checkbox(
        self,
        request: prompts.PromptRequest,
        choices: Sequence[Choice],
        *,
        checked: Collection[str],
        check: prompts.CheckTicks,
    ) -> list[str]:
        enabled = [choice.value for choice in choices if not choice.disabled]
        ticked = [value for value in enabled if value in checked] if request.state.ticked is None else ()
        shown = TickList(choices, request.state, ticked=request.state.ticked or ticked, check=check, width=self._width)
        values = [str(value) for value in self._run_list(shown, request, prompts.TICK_KEYS)]
        titles = _titles(choices)
        self._on_answer(request.text, ", ".join(titles[value] for value in values) or "none")
        return values

    def confirm(self, request: prompts.PromptRequest, *, default: bool) -> bool:
        """Ask for yes or no, confirmed by Enter: a stray key confirms nothing."""
        while True:
            typed = self._line(questionary.text, request, "", keys=prompts.CONFIRM_KEYS[default], is_word=True).strip()
            answer = prompts.YES_OR_NO.get(typed.lower(), None if typed else default)
            if answer is not None:
                self._on_answer(request.text, "Yes" if answer else "No")
                return answer
            self._on_answer(request.text, typed)
            self._write(f"! type y or n, not {typed}")
            request = replace(request, state=prompts.PromptState())

    def page(self, content: Callable[[], str]) -> None:
        self._ask(long_text(content, **self._options), farewell=FAREWELL)

    def _line(
        self,
        ask: Callable[..., questionary.Question],
        request: prompts.PromptRequest,
        default: str,
        *,
        keys: Sequence[str] = prompts.NO_KEYS,
        is_word: bool = False,
    ) -> str:
        """A typed line. `is_word`: no answer has one of the signs in it, so that they are always commands."""
        initial = default if request.state.text is None else request.state.text
        text, hint = self._words(request, keys, initial)
        buffer: Buffer | None = None

        def is_unchanged() -> bool:
            # An answer may contain these signs: only an empty line and one without a change take them as commands.
            return is_word or buffer is None or buffer.text in ("", default, initial)

        question = ask(_Message(text, hint, is_unchanged), default=initial, **self._options)
        buffer = question.application.current_buffer

        def state() -> prompts.PromptState:
            return prompts.PromptState(text=buffer.text if buffer else None)

        return str(self._run(question.application, request, state, is_unchanged=is_unchanged))

    def _words(self, request: prompts.PromptRequest, keys: Sequence[str], default: str = "") -> tuple[str, str]:
        """The question, broken between words, and the keys that answer it, after its last line."""
        lines = ["".join(text for text, _ in line) for line in divided([(f"? {request.text}", "")], self._width - 2)]
        indent = 2 if len(lines) > 1 else 0
        hint = prompts.instruction(request, keys, self._width - indent - cells(lines[-1]) - cells(f"  {default}") - 1)
        return "\n  ".join(lines).removeprefix("? "), hint

    def _run_list(self, shown: ChoiceList, request: prompts.PromptRequest, keys: Sequence[str]) -> Any:
        text, _ = self._words(request, prompts.NO_KEYS)
        hint = prompts.instruction(request, keys, self._width - 3, escape=True)
        return self._run(lists.application(shown, text, hint, **self._options), request, shown.state)

    def _run(
        self,
        application: Application[Any],
        request: prompts.PromptRequest,
        state: Callable[[], prompts.PromptState],
        *,
        is_unchanged: Callable[[], bool] = lambda: True,
    ) -> Any:
        """The answer. The prompt is erased, so that the next line takes its place. Raises HelpOrBack."""
        bindings = KeyBindings()
        keys = [(prompts.WHY, request.has_explanation), (prompts.BACK, request.back)]
        for key, has_effect in [*keys, (prompts.DETAILS, True)] if request.has_details else keys:

            @bindings.add(key, eager=True, filter=Condition(is_unchanged))
            def _(event: KeyPressEvent, key: str = key, has_effect: bool = has_effect) -> None:
                if not has_effect:
                    event.app.output.bell()
                event.app.exit(exception=prompts.HelpOrBack(key, state()))

        @bindings.add("escape", eager=True, filter=Condition(is_unchanged))
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=prompts.HelpOrBack(prompts.ESCAPE, state()))

        # Of the eager bindings the last one wins: these come before the letters of a filter.
        application.key_bindings = merge_key_bindings([application.key_bindings or KeyBindings(), bindings])
        application.erase_when_done = True
        # The terminal has folded the lines that are too long for its new width: they are all erased.
        renderer = application.renderer
        renderer.erase = partial(_erase, renderer, renderer.erase)  # type: ignore[method-assign]
        try:
            return self._ask(application)
        except (KeyboardInterrupt, EOFError) as error:
            self._on_answer(request.text, "")
            raise KeyboardInterrupt from error

    def _ask(self, application: Application[Any], *, farewell: bytes = _CLEAN) -> Any:
        """Run a prompt. Keys typed before it is on the screen have no effect, except Ctrl-C, which interrupts.

        Raises KeyboardInterrupt, and EOFError for Ctrl-D.
        """
        application.ttimeoutlen = _ESCAPE_SECONDS
        # The terminal is not asked where its cursor is: the answer would come among the keys that are discarded.
        application.renderer.cpr_support = CPR_Support.NOT_SUPPORTED
        output, is_new = application.output, self._keyboard.is_terminal
        draw = output.flush

        def discard_and_draw() -> None:
            # As late as possible: the next call writes the prompt.
            output.flush = draw  # type: ignore[method-assign]
            if self._keyboard.discard() and not application.is_done:
                application.exit(exception=KeyboardInterrupt)
            draw()

        def before_drawing(_: object) -> None:
            nonlocal is_new
            if is_new:
                is_new, output.flush = False, discard_and_draw  # type: ignore[method-assign]

        def suspend(event: KeyPressEvent) -> None:
            nonlocal is_new
            is_new = self._keyboard.is_terminal
            event.app.suspend_to_background()

        bindings = KeyBindings()
        bindings.add("c-z", eager=True)(suspend)
        for key, error in (("<sigint>", KeyboardInterrupt), ("c-c", KeyboardInterrupt), ("c-d", EOFError)):
            is_left = Condition(lambda key=key: key != "c-d" or not application.current_buffer.text)  # type: ignore[misc]
            bindings.add(key, eager=True, filter=is_left)(lambda event, error=error: event.app.exit(exception=error))
        application.key_bindings = merge_key_bindings([application.key_bindings or KeyBindings(), bindings])
        application.before_render += before_drawing
        if is_new:
            clear_typeahead(application.input)
            application.input.flush_keys()
        with self._keyboard.asking(farewell):
            try:
                return application.run()
            finally:
                output.flush = draw  # type: ignore[method-assign]


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


def _titles(choices: Sequence[Choice]) -> Mapping[str, str]:
    return {choice.value: choice.title for choice in choices}
