"""Prints a script that completes commands, flags and recipes in bash or zsh.

Add `eval "$(asd completion bash)"` to ~/.bashrc, or `eval "$(asd completion zsh)"` to ~/.zshrc.
"""

import importlib

from tfds_dcase_command.options import Given, Options, UsageError

EXAMPLES = ("completion bash", "completion zsh")
ARGUMENTS = "bash|zsh"

_BASH = """_asd() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
      *) words="" ;;
    esac
  fi
  local name=${{COMP_WORDS[COMP_CWORD-2]}}
  if [ "$word" = "=" ]; then name=${{COMP_WORDS[COMP_CWORD-1]}}; word=""; fi
  case "$name" in
{values}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ ${{#COMPREPLY[@]}} -eq 0 ]; then compopt -o default; COMPREPLY=(); fi
  [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
}}
complete -F _asd asd
"""


def define(options: Options) -> None:
    """No flags."""


def run(given: Given) -> None:
    """Prints the script."""
    if given.arguments not in (["bash"], ["zsh"]):
        raise UsageError("which shell? asd completion bash, or asd completion zsh")
    from asd_jax.cli import PROGRAM
    from asd_jax.recipes import recipes

    if given.arguments == ["zsh"]:
        print("autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit")
    from tfds_dcase_command.program import defined

    cases, values = [], {"--config": " ".join([*recipes(), "list"])}
    for name, entry in PROGRAM.commands().items():
        options = defined(importlib.import_module(entry.module))
        words = [
            f"--{flag}=" if options.takes_value(flag) else f"--{flag}" for flag in options.names()
        ]
        cases.append(f'      {name}) words="{" ".join([*words, "--help"])}" ;;')
        for flag in options.names():
            if choices := options.choices_of(flag):
                known = values.get(f"--{flag}", "").split()
                values[f"--{flag}"] = " ".join(dict.fromkeys([*known, *choices]))
    print(
        _BASH.format(
            commands=" ".join(PROGRAM.commands()),
            cases="\n".join(cases),
            values="\n".join(f'    {flag}) words="{words}" ;;' for flag, words in values.items()),
        )
    )
