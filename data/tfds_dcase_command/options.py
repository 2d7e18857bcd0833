"""The flags of one command: absl's, in titled sections, with help and error messages in plain words."""

import difflib
import re
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

_HELP = {"-h", "--help", "-help", "--helpshort", "--helpfull", "-helpshort", "-helpfull"}
_VALUE_OF = re.compile(r"flag --(?:no)?([\w-]+)=(.*?): ", re.DOTALL)
_WIDEST_NAME = 26
_LEAST_WIDTH, _MOST_WIDTH = 60, 100


class UsageError(Exception):
    """A command line that cannot be understood; the message says what is wrong and what is right."""


class Given:
    """What a command line gave.

    Attributes:
        arguments: What is no flag, in order.
    """

    def __init__(self, values: flags.FlagValues, arguments: Sequence[str]):
        self._values = values
        self.arguments = list(arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._values[name].value

    def __getitem__(self, name: str) -> Any:
        """A flag whose name is a word of Python's, such as `set`."""
        return self._values[name].value

    def __contains__(self, name: str) -> bool:
        """Whether the command has the flag."""
        return name in self._values

    def has(self, name: str) -> bool:
        """Whether the command line named the flag."""
        return name in self._values and bool(self._values[name].present)


class Options:
    """Flags of a command, defined section by section.

    Args:
        arguments: What else the command takes, for its help: `FILES...`; empty for nothing.
    """

    def __init__(self, arguments: str = ""):
        self.arguments = arguments
        self._values = flags.FlagValues()
        self._sections: dict[str, list[str]] = {}
        self._shown: dict[str, str] = {}
        self._about: dict[str, str] = {}
        self._required: list[str] = []
        self._title = "flags"

    def section(self, title: str) -> None:
        """Begins a section of the help; the flags that follow are of it."""
        self._title = title

    def text(
        self,
        name: str,
        default: str | None,
        about: str,
        what: str = "TEXT",
        required: bool = False,
    ) -> None:
        """A flag of any text, such as a path."""
        flags.DEFINE_string(name, default, about, flag_values=self._values)
        self._note(name, about, what, required)

    def choice(
        self,
        name: str,
        default: str | None,
        choices: Sequence[str],
        about: str,
        required: bool = False,
    ) -> None:
        """A flag of one of some words."""
        flags.DEFINE_enum(name, default, list(choices), about, flag_values=self._values)
        joined = "|".join(choices)
        if len(joined) > _WIDEST_NAME - len(name) - 3:
            about, joined = f"{about} One of {', '.join(choices)}.", "NAME"
        self._note(name, about, joined, required)

    def whole(
        self,
        name: str,
        default: int | None,
        about: str,
        least: int | None = None,
    ) -> None:
        """A flag of a whole number."""
        flags.DEFINE_integer(name, default, about, lower_bound=least, flag_values=self._values)
        self._note(name, about, "N")

    def number(self, name: str, default: float | None, about: str) -> None:
        """A flag of a number."""
        flags.DEFINE_float(name, default, about, flag_values=self._values)
        self._note(name, about, "X")

    def yes(self, name: str, about: str, default: bool = False) -> None:
        """A flag that is on or off: `--name`, `--noname`."""
        flags.DEFINE_bool(name, default, about, flag_values=self._values)
        self._note(name, about, "")

    def listed(
        self,
        name: str,
        default: Sequence[str] | None,
        about: str,
        what: str = "A,B",
        required: bool = False,
    ) -> None:
        """A flag of several words, with commas between them."""
        value = None if default is None else list(default)
        flags.DEFINE_list(name, value, about, flag_values=self._values)
        self._note(name, about, what, required)

    def repeated(self, name: str, about: str, what: str = "TEXT") -> None:
        """A flag that may be given more than once; its value is a list."""
        flags.DEFINE_multi_string(name, [], about, flag_values=self._values)
        self._note(name, about, what)

    def _note(self, name: str, about: str, what: str, required: bool = False) -> None:
        self._sections.setdefault(self._title, []).append(name)
        self._shown[name] = f"--{name}={what}" if what else f"--[no]{name}"
        self._about[name] = about
        if required:
            self._required.append(name)

    def names(self) -> list[str]:
        """All flags, in the order of the help."""
        return [name for names in self._sections.values() for name in names]

    def choices_of(self, name: str) -> list[str]:
        """The words that a flag takes; empty where it takes anything."""
        return list(getattr(self._values[name].parser, "enum_values", None) or [])

    def takes_value(self, name: str) -> bool:
        """Whether the flag is more than on or off."""
        return not self._shown[name].startswith("--[no]")

    def parse(
        self,
        arguments: Sequence[str],
        key_of: Callable[[str], str | None] = lambda name: None,
        not_here: Mapping[str, str] | None = None,
    ) -> Given:
        """Reads a command line.

        Args:
            arguments: What stands behind the command's name.
            key_of: The setting that an unknown flag may mean (`epochs`: `training.epochs`), or None.
            not_here: Flags that other commands have, with why this one has them not.

        Raises:
            UsageError: Says what is wrong and what is right.
        """
        self._take_logging_flags()
        try:
            end = arguments.index("--") if "--" in arguments else len(arguments)
            words = [*map(_with_underscores, arguments[:end]), *arguments[end:]]
            rest = self._values(["command", *words])[1:]
        except flags.UnrecognizedFlagError as error:
            if not_here and error.flagname in not_here:
                raise UsageError(f"--{error.flagname} {not_here[error.flagname]}") from error
            raise UsageError(self._unknown(error, arguments, key_of)) from error
        except flags.Error as error:
            raise UsageError(self._wrong(error)) from error
        if rest and not self.arguments:
            cure = f": did you mean --{rest[0]}?" if rest[0].split("=")[0] in self._values else ""
            raise UsageError(f"unknown arguments: {' '.join(rest)}{cure}")
        missing = [self._shown[name] for name in self._required if self._values[name].value is None]
        if missing:
            raise UsageError(f"give {' and '.join(missing)}")
        return Given(self._values, rest)

    def _take_logging_flags(self) -> None:
        """absl's own flags for logs work as well; the help leaves them out."""
        from absl import logging

        known = flags.FLAGS.flags_by_module_dict().get(logging.__name__, [])
        for flag in known:
            flag.unparse()
            if flag.name not in self._values:
                self._values[flag.name] = flag
        if not flags.FLAGS.is_parsed():
            # Grain and others read absl's own flags, of which none is given here.
            flags.FLAGS.mark_as_parsed()

    def _unknown(
        self,
        error: flags.UnrecognizedFlagError,
        arguments: Sequence[str],
        key_of: Callable[[str], str | None],
    ) -> str:
        name = str(error.flagname)
        told = f"unknown flag --{name}"
        if "set" in self._values and (key := key_of(name)):
            value = next(
                (
                    text.partition("=")[2]
                    for text in arguments
                    if text.lstrip("-").startswith(f"{name}=")
                ),
                "",
            )
            return f"{told}: did you mean --set {key}={value or 'VALUE'}?"
        near = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.5)
        return f"{told}: did you mean --{near[0]}?" if near else told

    def _wrong(self, error: flags.Error) -> str:
        found = _VALUE_OF.search(str(error))
        if not found or found[1] not in self._values:
            return str(error).replace("flag --", "--").replace("Missing value for", "no value for")
        name, value = found.groups()
        choices = self.choices_of(name)
        if choices:
            near = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
            mean = f"; did you mean {near[0]}?" if near else ""
            return f"--{name}={value}: choose one of {', '.join(choices)}{mean}"
        parser = self._values[name].parser
        kinds = {"int": "a whole number", "float": "a number", "bool": "true or false"}
        kind = kinds.get(str(self._values[name].flag_type()), str(self._values[name].flag_type()))
        least = getattr(parser, "lower_bound", None)
        bound = f", at least {least}" if least is not None else ""
        return f"--{name}={value}: must be {kind}{bound}"

    def help(self) -> str:
        """The flags with what they mean, section by section."""
        width = min(max(shutil.get_terminal_size().columns, _LEAST_WIDTH), _MOST_WIDTH)
        shown = [self._shown[name] for name in self.names()]
        column = min(max(map(len, shown), default=0), _WIDEST_NAME) + 4
        lines: list[str] = []
        for title, names in self._sections.items():
            lines += ["", f"{title}:"]
            for name in names:
                lines += self._lines(name, column, width)
        return "\n".join(lines)

    def _lines(self, name: str, column: int, width: int) -> list[str]:
        flag = self._values[name]
        about = self._about[name]
        if name in self._required:
            about += " Required."
        elif flag.value not in (None, "", [], False):
            value = ",".join(flag.value) if isinstance(flag.value, list) else flag.value
            about += f" (default: {str(value).lower() if value is True else value})"
        text = textwrap.wrap(" ".join(about.split()), width - column) or [""]
        head = f"  {self._shown[name]}"
        if len(head) > column - 2:
            return [head, *(" " * column + line for line in text)]
        return [head.ljust(column) + text[0], *(" " * column + line for line in text[1:])]


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for help, in whatever spelling."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(argument in _HELP for argument in before)


def _with_underscores(argument: str) -> str:
    """`--data-dir=x` is `--data_dir=x`."""
    name, equals, value = argument.partition("=")
    if not re.fullmatch(r"--?[A-Za-z][\w-]*", name):
        return argument
    dashes = "--" if name.startswith("--") else "-"
    return dashes + name.removeprefix(dashes).replace("-", "_") + equals + value
