"""Questions on a terminal that can draw, each asked by questionary.

Touches the terminal only through applications of prompt_toolkit.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, TextIO

import questionary
from prompt_toolkit.application import Application
from prompt_toolkit.filters import Always, Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.output import create_output
from questionary.prompts.common import InquirerControl

from wizard.core.models.inputs import Choice
from wizard.terminal import applications, prompts
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.prompts import Ask, HelpOrBack, Prompt
from wizard.terminal.text import cells, shortened, wrapped

STYLE = questionary.Style.from_dict(
    {
        "qmark": "ansicyan",
        "question": "bold",
        "answer": "noinherit ansicyan",
        "pointer": "bold",
        "highlighted": "bold",
        "selected": "noreverse",
        "fault": "ansiyellow",
    }
)
"""Colours by the names of the ANSI palette, which each person chooses."""

_ROWS = 10
"""Most rows of a list: the lines that led to the question stay on a screen of 24 lines."""


class _List:
    """A list that questionary draws, and the letters typed so far: they leave the choices that have them.

    Not questionary's own filter: where nothing matches, its Enter takes the first choice of all; where the first
    choices of all are disabled, its arrows never end.
    """

    def __init__(
        self,
        question: questionary.Question,
        choices: Sequence[Choice],
        *,
        default: str | None = None,
        check: prompts.Check | None = None,
    ) -> None:
        """`default`: the choice at the pointer; `check`: of the ticks, in a list that has them."""
        window = next(
            each for each in question.application.layout.find_all_windows() if isinstance(each.content, InquirerControl)
        )
        window.height, window.dont_extend_height = Dimension(max=_ROWS), Always()
        assert isinstance(window.content, InquirerControl)
        self._control: InquirerControl = window.content
        self._all = tuple(self._control.choices)
        self._choices = {choice.value: choice for choice in choices}
        self._has_words = any(choice.words for choice in choices)
        self._check = check
        self._is_lost = False
        """Whether nothing matches what was typed."""
        self.typed = ""
        self.fault = ""
        # questionary would mark its own default as if it were ticked.
        self._show(self._all, default)

    def move(self, *, up: bool) -> None:
        """Move the pointer over those that can be chosen. In a list with words it says from now on which it is."""
        if self._has_words:
            self.type("")
        self.fault = self.fault if self._is_lost else ""
        step = self._control.select_previous if up else self._control.select_next
        if not all(shown.disabled for shown in self._control.choices):
            step()
            while not self._control.is_selection_valid():
                step()

    def type(self, typed: str) -> None:
        """Take the letters: the choices that match are shown, or all where none does. A word only moves the pointer."""
        if typed == self.typed:
            return
        self.typed, self.fault = typed, ""
        matches = [shown for shown in self._all if self._is_match(shown)]
        self._is_lost = bool(typed) and not matches
        pointed = self._control.get_pointed_at().value
        if self._has_words:
            self._show(self._all, matches[0].value if typed and matches else pointed)
            return
        self._show(matches or self._all, pointed)
        if self._is_lost:
            self.fault = f'no choice has "{typed}" in it; Backspace removes a letter, Ctrl-U all of them'

    def space(self) -> None:
        """Tick the choice at the pointer, or untick it; in a list without ticks Space is a letter."""
        if self._check is None:
            self.type(self.typed and f"{self.typed} ")
        elif self._is_chosen():
            value, ticked = self._control.get_pointed_at().value, self._control.selected_options
            (ticked.remove if value in ticked else ticked.append)(value)

    def answer(self) -> Any:
        """The answer for Enter; None where `fault` says why there is none."""
        if self._check is None:
            return self._control.get_pointed_at().value if self._is_chosen() else None
        values = [str(shown.value) for shown in self._all if shown.value in self._control.selected_options]
        self.fault = self.fault if self._is_lost else self._check(values) or ""
        return None if self.fault else values

    def bindings(self) -> KeyBindings:
        """The keys of the list; any other one is a letter."""
        bindings = KeyBindings()

        def take(event: KeyPressEvent) -> None:
            answer = self.answer()
            if answer is None:
                event.app.output.bell()
            else:
                event.app.exit(result=answer)

        def letter(event: KeyPressEvent) -> None:
            if event.data.isprintable():
                self.type(self.typed + event.data)

        bindings.add("enter", eager=True)(take)
        bindings.add(" ", eager=True)(lambda event: self.space())
        bindings.add("backspace", eager=True)(lambda event: self.type(self.typed[:-1]))
        bindings.add("c-u", eager=True)(lambda event: self.type(""))
        bindings.add("<bracketed-paste>")(lambda event: self.type(self.typed + event.data.strip().split("\n")[0]))
        bindings.add("<any>")(letter)
        for key in "ai":
            # To questionary they tick all, or the others.
            bindings.add(key, eager=True)(letter)
        bindings.add("up", eager=True)(lambda event: self.move(up=True))
        bindings.add("down", eager=True)(lambda event: self.move(up=False))
        return bindings

    def below(self, width: int) -> StyleAndTextTuples:
        """The lines for the typed letters and for the fault."""
        lines = [("", shortened(f"  / {self.typed}", width - 1, end="…"))] if self.typed else []
        for number, line in enumerate(wrapped(self.fault, width - 5) if self.fault else ()):
            lines.append(("class:fault", f"  {' ' if number else '!'} {line}"))
        return [part for line in lines for part in (line, ("", "\n"))]

    def _is_chosen(self) -> bool:
        """Whether the choice at the pointer can be chosen. After a refusal all choices are shown again."""
        pointed = self._control.get_pointed_at()
        if self._is_lost and not self._has_words:
            return False
        if self._is_lost:
            fault = prompts.word_fault(self.typed, tuple(self._choices.values()))
        elif pointed.disabled:
            fault = prompts.refusal(self._choices[str(pointed.value)])
        else:
            self.fault = ""
            return True
        self.type("")
        self.fault, self._control.pointed_at = fault, self._all.index(pointed)
        return False

    def _show(self, shown: Sequence[questionary.Choice], pointed: str | None = None) -> None:
        self._control.choices = list(shown)
        enabled = {each.value: number for number, each in enumerate(shown) if not each.disabled}
        self._control.pointed_at = enabled.get(pointed, next(iter(enabled.values()), 0))

    def _is_match(self, shown: questionary.Choice) -> bool:
        choice, typed = self._choices[str(shown.value)], self.typed.strip().lower()
        if self._has_words:
            return not typed or typed in (*choice.words, choice.title.lower())
        # In the whole title: on a narrow screen the end of it is not shown.
        return all(word in f"{choice.title} {choice.disabled or choice.note}".lower() for word in typed.split())


class _Message:
    """A question with the keys that have an effect now; questionary formats it whenever it draws."""

    def __init__(self, text: str, hint: str, has_effect: Callable[[], bool]) -> None:
        self._text, self._hint, self._has_effect = text, hint, has_effect

    def __format__(self, spec: str) -> str:
        return " ".join(filter(None, (self._text, self._hint if self._has_effect() else "")))


class DrawnPrompts:
    """Drawn prompts. An answered one is replaced by a line with the question and its answer."""

    def __init__(self, out: TextIO, *, width: int, on_answer: Callable[[str, str], None], keyboard: Keyboard) -> None:
        """`on_answer` takes the question and the answer, which is empty after Ctrl-C."""
        self._width, self._on_answer, self._keyboard = width, on_answer, keyboard
        self._options: dict[str, Any] = {"style": STYLE}
        if out is not sys.stdout and out.isatty():
            self._options["output"] = create_output(stdout=out)

    def text(self, prompt: Prompt, *, default: str) -> Ask:
        """A line; the default is in it and can be edited."""
        return self._line(questionary.text, prompt, str, default=default)

    def secret(self, prompt: Prompt) -> Ask:
        """A line that is masked while it is typed."""
        return self._line(questionary.password, prompt, lambda typed: "********" if typed else "", is_kept=False)

    def confirm(self, prompt: Prompt, *, default: bool) -> Ask:
        """A word, confirmed by Enter. With questionary's own, which ignores other letters, `maybe` would be yes."""

        def shown(typed: str) -> str:
            answer = prompts.YES_OR_NO.get(typed.strip().lower()) if typed.strip() else default
            return typed if answer is None else "Yes" if answer else "No"

        keys = prompts.CONFIRM_KEYS[default]
        return self._line(questionary.text, prompt, shown, keys=keys, is_word=True, is_kept=False)

    def select(self, prompt: Prompt, choices: Sequence[Choice], *, default: str | None) -> Ask:
        words = "/".join(choice.words[0] for choice in choices if choice.words)
        keys = f"{words} or arrows, Enter" if words else prompts.SELECT_KEYS
        return self._list(questionary.select, prompt, choices, keys, " » ", default=default)

    def checkbox(
        self, prompt: Prompt, choices: Sequence[Choice], *, checked: Collection[str], check: prompts.Check
    ) -> Ask:
        return self._list(
            questionary.checkbox, prompt, choices, prompts.TICK_KEYS, " » ● ", checked=checked, check=check
        )

    def page(self, content: Callable[[], str]) -> None:
        applications.show_page(content, self._keyboard, **self._options)

    def _line(
        self,
        ask: Callable[..., questionary.Question],
        prompt: Prompt,
        shown: Callable[[str], str],
        *,
        default: str = "",
        keys: str = "",
        is_word: bool = False,
        is_kept: bool = True,
    ) -> Ask:
        """A typed line; `shown` is what stays of it on the screen.

        `is_word`: no answer has one of the signs in it, so that they are always commands. `is_kept`: whether a refused
        text is there to be edited.
        """
        text = self._wrapped(prompt)
        last = f"? {text}".split("\n")[-1]
        hint = prompts.instruction(prompt, keys, self._width - cells(f"{last}  {default}") - 1)
        initial = default

        def is_unchanged() -> bool:
            # An answer may contain these signs: only an empty line and one without a change take them as commands.
            return is_word or buffer.text in ("", default, initial)

        question = ask(_Message(text, hint, is_unchanged), default=default, **self._options)
        buffer = question.application.current_buffer
        self._bind(question.application, prompt, is_unchanged)

        def answer() -> str:
            nonlocal initial
            initial = buffer.text
            typed = str(self._answer(question.application, prompt))
            self._on_answer(prompt.text, shown(typed))
            if not is_kept:
                buffer.reset()
            return typed

        return answer

    def _list(
        self,
        ask: Callable[..., questionary.Question],
        prompt: Prompt,
        choices: Sequence[Choice],
        keys: str,
        before: str,
        *,
        default: str | None = None,
        checked: Collection[str] = (),
        check: prompts.Check | None = None,
    ) -> Ask:
        """A list; `before` is what questionary draws before the title of a choice."""
        rows = [self._row(choice, len(before), is_checked=choice.value in checked) for choice in choices]
        keys_off = {"instruction": " ", "use_jk_keys": False, "use_emacs_keys": False}
        question = ask(self._wrapped(prompt), rows, **keys_off, **self._options)
        shown = _List(question, choices, default=default, check=check)
        application = question.application
        hint = prompts.instruction(prompt, keys, self._width - 3, escape=True)

        def below() -> StyleAndTextTuples:
            return [*shown.below(self._width), ("class:instruction", f"  {hint}" if hint else "")]

        application.layout = Layout(
            HSplit([application.layout.container, Window(FormattedTextControl(below), dont_extend_height=True)])
        )
        applications.add(application, shown.bindings())
        self._bind(application, prompt, lambda: True)

        def answer() -> Any:
            value = self._answer(application, prompt)
            values = [value] if isinstance(value, str) else value
            chosen = [choice.title for choice in choices if choice.value in values]
            self._on_answer(prompt.text, ", ".join(chosen) or "none")
            return value

        return answer

    def _row(self, choice: Choice, indent: int, *, is_checked: bool) -> questionary.Choice:
        note = choice.disabled or choice.note
        return questionary.Choice(
            shortened(f"{choice.title} ({note})" if note else choice.title, self._width - indent, end="…"),
            value=choice.value,
            disabled=bool(choice.disabled),  # type: ignore[arg-type]  # True: no reason after the title.
            checked=is_checked and not choice.disabled,
        )

    def _wrapped(self, prompt: Prompt) -> str:
        """The question, broken between words."""
        return "\n  ".join(wrapped(f"? {prompt.text}", self._width - 2)).removeprefix("? ")

    def _bind(self, application: Application[Any], prompt: Prompt, is_unchanged: Callable[[], bool]) -> None:
        """Bind the keys that are commands while `is_unchanged`, and those that leave the prompt."""
        bindings = KeyBindings()
        keys = [(prompts.WHY, bool(prompt.explanation)), (prompts.BACK, prompt.back), (prompts.ESCAPE, True)]
        for key, has_effect in [*keys, (prompts.DETAILS, True)] if prompt.details else keys:

            @bindings.add(key, eager=True, filter=Condition(is_unchanged))
            def _(event: KeyPressEvent, key: str = key, has_effect: bool = has_effect) -> None:
                if not has_effect:
                    event.app.output.bell()
                event.app.exit(exception=HelpOrBack(key))

        is_empty = Condition(lambda: not application.current_buffer.text)
        bindings.add("c-d", eager=True, filter=is_empty)(lambda event: event.app.exit(exception=EOFError))
        applications.add(application, bindings)
        applications.prepare(application, self._keyboard)

    def _answer(self, application: Application[Any], prompt: Prompt) -> Any:
        """The answer. The prompt is erased, so that the next line takes its place. Raises HelpOrBack."""
        try:
            return applications.run(application, self._keyboard)
        except (KeyboardInterrupt, EOFError) as error:
            self._on_answer(prompt.text, "")
            raise KeyboardInterrupt from error
