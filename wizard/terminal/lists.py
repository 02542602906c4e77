"""A list of choices on the screen: a pointer, ticks, the typed letters, and below it what is wrong and the keys.

Touches nothing: prompt_toolkit draws it and brings the keys.
"""

from collections.abc import Callable, Sequence
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.containers import ConditionalContainer

from wizard.core.models.inputs import Choice
from wizard.terminal.prompts import CheckTicks, PromptState, refusal, word_fault
from wizard.terminal.text import divided, shortened

_ROWS = 10
"""Most rows of a list: the lines that led to the question stay on a screen of 24 lines."""

Fragments = StyleAndTextTuples


class ChoiceList:
    """The list of one question, and the keys pressed so far."""

    def __init__(self, choices: Sequence[Choice], state: PromptState, *, default: str | None, width: int) -> None:
        """`state`: the state of the question's earlier prompt."""
        self._choices = choices
        self._width = width
        self._has_words = any(choice.words for choice in choices)
        self.typed = state.filter or ""
        """The letters that were typed: a filter, or a word that names a choice."""
        self._fault = ""
        values = [choice.value for choice in self.matches]
        enabled = next((number for number, choice in enumerate(self.matches) if not choice.disabled), 0)
        pointed = state.pointed or default
        self._pointed = values.index(pointed) if pointed in values else enabled

    @property
    def matches(self) -> list[Choice]:
        """The choices that are shown."""
        if self._has_words:
            return list(self._choices)
        words = self.typed.lower().split()
        return [choice for choice in self._choices if all(word in _title(choice).lower() for word in words)]

    @property
    def pointed(self) -> Choice | None:
        """The choice at the pointer; None where nothing matches."""
        matches = self.matches
        return matches[self._pointed] if matches else None

    def state(self) -> PromptState:
        return PromptState(pointed=self.pointed.value if self.pointed else None, filter=self.typed)

    def answer(self) -> Any:
        """The answer for Enter; None for a list that has said why there is none."""
        choice = self.pointed
        if self._has_words and self.typed:
            word = self.typed.strip().lower()
            choice = next((choice for choice in self._choices if word in (*choice.words, choice.title.lower())), None)
            if choice is None:
                self._refuse(word_fault(self.typed, self._choices))
        elif choice is not None and choice.disabled:
            self._refuse(refusal(choice))
            choice = None
        return None if choice is None else choice.value

    def space(self) -> None:
        """Space: a letter like any other."""
        if self.typed:
            self.type(" ")

    def type(self, text: str) -> None:
        """Take letters, or a paste."""
        self._change(self.typed + text.split("\n")[0])

    def erase(self, *, whole: bool = False) -> None:
        """Remove the last letter, or all."""
        self._change("" if whole else self.typed[:-1])

    def move(self, rows: int, *, around: bool = True) -> None:
        """Move the pointer."""
        self._fault = ""
        if self._has_words:
            # From now on the pointer says which.
            self.typed = ""
        enabled = [number for number, choice in enumerate(self.matches) if not choice.disabled]
        if not enabled:
            return
        # A choice that cannot be chosen is stepped over; the pointer can be at one that was typed.
        before = sum(number < self._pointed for number in enabled)
        at = before + rows - (rows > 0 and self._pointed not in enabled)
        self._pointed = enabled[at % len(enabled) if around else min(max(at, 0), len(enabled) - 1)]

    def _refuse(self, why: str) -> None:
        """Say why, and begin with an empty filter again; the pointer stays."""
        choice = self.pointed
        self.typed, self._fault = "", why
        if choice is not None:
            self._pointed = self.matches.index(choice)

    def rows(self) -> Fragments:
        """The choices, as many as match."""
        fragments: Fragments = []
        for number, choice in enumerate(self.matches):
            is_pointed = number == self._pointed
            fragments.append(("class:pointer", " » ") if is_pointed else ("", "   "))
            if is_pointed:
                fragments.append(("[SetCursorPosition]", ""))
            fragments += self._row(choice, is_pointed=is_pointed)
            fragments.append(("", "\n"))
        return fragments[:-1]

    def below(self) -> Fragments:
        """The typed text, and its fault."""
        fault = self._fault
        if self.typed and not self.matches:
            fault = f'no choice has "{self.typed}" in it; Backspace removes a letter, Ctrl-U all of them'
        lines: Fragments = [("", shortened(f"  / {self.typed}", self._width - 1, end="…"))] if self.typed else []
        for number, pieces in enumerate(divided([(fault, "")], self._width - 5) if fault else ()):
            text = "".join(text for text, _ in pieces)
            lines.append(("class:validation-toolbar", f"  {' ' if number else '!'} {text}"))
        return [part for line in lines for part in (line, ("", "\n"))][:-1]

    def _row(self, choice: Choice, *, is_pointed: bool) -> Fragments:
        style = "class:disabled" if choice.disabled else "class:highlighted" if is_pointed else ""
        return [(style, self._text(choice, len(" » ")))]

    def _text(self, choice: Choice, beside: int) -> str:
        return shortened(_title(choice), self._width - beside, end="…")

    def _change(self, typed: str) -> None:
        self.typed, self._fault = typed, ""
        if not self._has_words:
            self._pointed = next((number for number, choice in enumerate(self.matches) if not choice.disabled), 0)


class TickList(ChoiceList):
    """A list of which several choices can be ticked."""

    def __init__(
        self, choices: Sequence[Choice], state: PromptState, *, ticked: Sequence[str], check: CheckTicks, width: int
    ) -> None:
        super().__init__(choices, state, default=None, width=width)
        self._ticked, self._check = list(ticked), check

    def state(self) -> PromptState:
        pointed = self.pointed.value if self.pointed else None
        return PromptState(pointed=pointed, filter=self.typed, ticked=tuple(self._ticked))

    def answer(self) -> list[str] | None:
        if not self.matches:
            return None
        values = [choice.value for choice in self._choices if choice.value in self._ticked]
        self._fault = self._check(values) or ""
        return None if self._fault else values

    def space(self) -> None:
        """Space: tick the choice at the pointer, or untick it."""
        choice = self.pointed
        if choice is None:
            return
        self._fault = refusal(choice) if choice.disabled else ""
        if choice.value in self._ticked:
            self._ticked.remove(choice.value)
        elif not choice.disabled:
            self._ticked.append(choice.value)

    def _row(self, choice: Choice, *, is_pointed: bool) -> Fragments:
        if choice.disabled:
            return [("class:disabled", f"○ {self._text(choice, len(' » ○ '))}")]
        is_ticked = choice.value in self._ticked
        style = "class:selected" if is_ticked else "class:highlighted" if is_pointed else ""
        sign = ("class:selected", "● ") if is_ticked else ("", "○ ")
        return [sign, (style, self._text(choice, len(" » ● ")))]


def application(shown: ChoiceList, question: str, keys: str, **options: Any) -> Application[Any]:
    """The prompt: the question, the list, the typed text, its fault, and the keys."""
    bindings = KeyBindings()

    def take(event: KeyPressEvent) -> None:
        answer = shown.answer()
        if answer is None:
            event.app.output.bell()
        else:
            event.app.exit(result=answer)

    def bind(key: str, act: Callable[[], None]) -> None:
        bindings.add(key)(lambda event: act())

    for key, rows in (("up", -1), ("down", 1)):
        bind(key, lambda rows=rows: shown.move(rows))  # type: ignore[misc]
    for key, rows in (("pageup", -_ROWS), ("pagedown", _ROWS), ("home", -100_000), ("end", 100_000)):
        bind(key, lambda rows=rows: shown.move(rows, around=False))  # type: ignore[misc]
    bind("backspace", shown.erase)
    bind("c-u", lambda: shown.erase(whole=True))
    bind(" ", shown.space)
    bindings.add("enter")(take)
    bindings.add("<bracketed-paste>")(lambda event: shown.type(event.data.strip()))

    @bindings.add("<any>")
    def _(event: KeyPressEvent) -> None:
        if event.data.isprintable():
            shown.type(event.data)

    def line(text: Callable[[], Fragments], **more: Any) -> Window:
        return Window(FormattedTextControl(text, **more), dont_extend_height=True)

    choices = FormattedTextControl(shown.rows, focusable=True, show_cursor=False)
    layout = HSplit(
        [
            line(lambda: [("class:qmark", "?"), ("class:question", f" {question}")]),
            ConditionalContainer(
                Window(choices, height=Dimension(max=_ROWS), dont_extend_height=True),
                Condition(lambda: bool(shown.matches)),
            ),
            ConditionalContainer(line(shown.below), Condition(lambda: bool(shown.below()))),
            line(lambda: [("class:instruction", f"  {keys}" if keys else "")]),
        ]
    )
    return Application(layout=Layout(layout, focused_element=choices), key_bindings=bindings, **options)


def _title(choice: Choice) -> str:
    note = choice.disabled or choice.note
    return f"{choice.title} ({note})" if note else choice.title
