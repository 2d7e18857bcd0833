"""A program of several commands: its help, the choice of a command, and how each ends."""

import dataclasses
import difflib
import importlib
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from tfds_dcase_command import terminal
from tfds_dcase_command.options import Options, UsageError, wants_help


@dataclasses.dataclass(frozen=True)
class Entry:
    """A command in the program's help.

    Attributes:
        module: That has `EXAMPLES`, `define(options)` and `run(given)`; see `Program`.
        example: As it may be typed, without the program's name.
        about: What it does, in a few words.
    """

    module: str
    example: str
    about: str


@dataclasses.dataclass(frozen=True)
class Program:
    """Commands by name, in groups.

    A command is a module that imports nothing heavy. It has a docstring whose first line says what it does,
    `EXAMPLES` (lines as they may be typed behind the program's name), `define(options)`, which defines its flags, and
    `run(given)`, which gives the exit status or None. It may have `ARGUMENTS` (what it takes beside flags) and
    `WRONG_USAGE` (its exit status for wrong usage and for its own faults, 1 otherwise), a `key_of` in place of the
    program's, and `NOT_HERE` (flags of other commands, with why this one has them not).

    Attributes:
        name: As it is typed.
        about: What it is, in a sentence.
        groups: Of commands, by title.
        version: Gives the version.
        key_of: The setting that an unknown flag may mean, or None.
    """

    name: str
    about: str
    groups: Mapping[str, Mapping[str, Entry]]
    version: Callable[[], str]
    key_of: Callable[[str], str | None] = lambda name: None

    def commands(self) -> dict[str, Entry]:
        """All commands by name."""
        return {name: entry for group in self.groups.values() for name, entry in group.items()}

    def help(self) -> str:
        """A screen: what the program does, a line for each command."""
        width = max(len(entry.example) for entry in self.commands().values()) + len(self.name) + 5
        lines = [f"{self.name}: {self.about}"]
        for title, group in self.groups.items():
            lines += ["", title]
            lines += [
                f"  {self.name} {entry.example}".ljust(width) + entry.about
                for entry in group.values()
            ]
        lines += ["", f"{self.name} COMMAND --help tells all of a command; {self.name} --version."]
        return "\n".join(lines)

    def main(self, arguments: Sequence[str]) -> int:
        """Runs the command that the arguments name; gives the exit status."""
        if not arguments or arguments[0] in (
            "help",
            "-h",
            "--help",
            "-help",
            "--helpshort",
            "--helpfull",
        ):
            if len(arguments) > 1 and arguments[1] in self.commands():
                return self.run(arguments[1], ["--help"])
            print(self.help())
            return 0
        if arguments[0] in ("--version", "-V", "version"):
            print(f"{self.name} {self.version()}")
            return 0
        name = arguments[0].replace("_", "-")
        if name not in self.commands():
            near = difflib.get_close_matches(name, self.commands(), n=1, cutoff=0.5)
            mean = f"did you mean {self.name} {near[0]}? " if near else ""
            print(
                f"error: {self.name} has no command {arguments[0]!r}: {mean}It has "
                f"{', '.join(self.commands())}",
                file=sys.stderr,
            )
            return 1
        return self.run(name, arguments[1:])

    def run(self, name: str, arguments: Sequence[str]) -> int:
        """Runs one command; gives the exit status."""
        wrong_usage = 1
        try:
            # A Ctrl-C while modules are read is one line as well.
            with terminal.expected_errors():
                module = importlib.import_module(self.commands()[name].module)
                options = defined(module)
                wrong_usage = getattr(module, "WRONG_USAGE", 1)
                if wants_help(arguments):
                    print(self._help_of(name, module, options))
                    return 0
            try:
                key_of = getattr(module, "key_of", self.key_of)
                given = options.parse(arguments, key_of, getattr(module, "NOT_HERE", {}))
            except UsageError as error:
                print(f"error: {error}\n({self.name} {name} --help tells more)", file=sys.stderr)
                return wrong_usage
            debug = int(given.verbosity) > 0
            with terminal.expected_errors(wrong_usage, debug=debug):
                return int(module.run(given) or 0)
        except UsageError as error:
            print(f"error: {error}\n({self.name} {name} --help tells more)", file=sys.stderr)
            return wrong_usage
        except Exception as error:
            traceback.print_exc()
            if not isinstance(error, (OSError, ValueError)):
                print(
                    f"This is a fault of {self.name} {self.version()}, not yours. Please report it with the lines "
                    "above",
                    file=sys.stderr,
                )
            raise SystemExit(wrong_usage) from error

    def _help_of(self, name: str, module: ModuleType, options: Options) -> str:
        first, _, more = (module.__doc__ or "").strip().partition("\n")
        takes = " ".join(filter(None, [options.arguments, "[flags]"]))
        lines = [f"{self.name} {name} {takes}", "", *textwrap.wrap(first, 100)]
        if more.strip():
            lines += ["", more.strip()]
        lines += ["", "examples:", *(f"  {self.name} {example}" for example in module.EXAMPLES)]
        return "\n".join(lines) + "\n" + options.help()


def defined(module: ModuleType) -> Options:
    """A command's flags, anew."""
    options = Options(getattr(module, "ARGUMENTS", ""))
    module.define(options)
    return options
