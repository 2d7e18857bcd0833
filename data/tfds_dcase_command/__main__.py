"""`python -m tfds_dcase_command` is `tfds-dcase`."""

from tfds_dcase_command.cli import main

main()
