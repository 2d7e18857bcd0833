"""The recipes of this project: experiments in Python files, each named by its file without the ending."""

import ast
import difflib
from pathlib import Path

_PACKAGED = Path(__file__).parent / "configs"
_CHECKOUT = Path(__file__).parents[1] / "configs"


def recipe_folder() -> Path:
    """Where the recipes lie: in the installed package, or in the checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def recipes() -> dict[str, str]:
    """What each recipe is, in one line, by name."""
    return {path.stem: _first_line(path) for path in sorted(recipe_folder().glob("*.py"))}


def recipe_path(text: str) -> Path:
    """The file of a recipe: a name such as `stgram_mfn_2020`, or a path.

    Raises:
        FileNotFoundError: no recipe has the name; the message names the nearest. A path is not looked at.
        ValueError: the path names no user.
    """
    from tfds_dcase_command.terminal import user_path

    path = user_path(text)
    if path.exists():
        return path
    is_own = path.suffix == ".py" and path.parent.name == "configs" and not path.is_absolute()
    name = path.stem if is_own else text
    known = recipes()
    if name in known:
        return recipe_folder() / f"{name}.py"
    if path.suffix or len(path.parts) > 1:
        return path
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    mean = f"did you mean {near[0]}? " if near else ""
    raise FileNotFoundError(f"no recipe {text!r}: {mean}--config=list shows all; a path works, too")


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.strip().partition("\n")[0]
