"""Lists the recipes: the name for --config, and what each is."""

from tfds_dcase_command.options import Given, Options

EXAMPLES = ("recipes", "recipes own_machine")
ARGUMENTS = "[NAME]"


def define(options: Options) -> None:
    """No flags."""


def run(given: Given) -> None:
    """Prints the list, or one recipe's file."""
    from asd_jax.recipes import recipe_path

    for name in given.arguments:
        path = recipe_path(name)
        print(f"# {path}\n{path.read_text(encoding='utf-8')}")
    if not given.arguments:
        print_recipes()


def print_recipes() -> None:
    """One line per recipe."""
    from asd_jax.recipes import recipes

    known = recipes()
    width = max(map(len, known))
    for name, about in known.items():
        print(f"{name:{width}}  {about}")
