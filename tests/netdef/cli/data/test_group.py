"""The group of commands for data."""

from pathlib import Path

import click
import pytest

from netdef.cli import data
from netdef.cli.data import ALIASES, COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_is_the_first_sentence_of_the_help(name):
    command = data.command.get_command(click.Context(data.command), name)
    assert command.get_short_help_str(limit=1000) == COMMANDS[name].removesuffix(".") + "."


def test_every_file_with_a_command_is_listed():
    folder = Path(data.__file__).parent
    assert {file.stem for file in folder.glob("*.py") if "@click.command" in file.read_text()} == set(COMMANDS)


def test_caffes_names_lead_to_commands():
    assert set(ALIASES.values()) <= set(COMMANDS)
    context = click.Context(data.command)
    assert all(
        data.command.get_command(context, other) is data.command.get_command(context, name) for other, name in ALIASES.items()
    )
