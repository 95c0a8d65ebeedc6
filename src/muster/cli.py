"""The command ``muster``: what is not a test run. The checks themselves run with pytest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from muster.text import plural

EXIT_CONFIGURATION = 2


class _Settings(click.ParamType[tuple[str, str]]):
    name = "name=value"

    def convert(self, value: object, param: object, ctx: object) -> tuple[str, str]:
        name, found, text = str(value).partition("=")
        if not found or not name:
            raise click.BadParameter(f'"{value}" is not name=value')
        return name, text


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-muster", prog_name="muster", message="%(prog)s %(version)s")
def main() -> None:
    """Say whether hosts pass muster: an inventory says what should be true, checks are pytest tests.

    The checks run with pytest. This command is for what is not a test run.

    \b
    Examples:
      muster validate inventories/local.yaml     is the inventory right? contacts nothing
      muster schema > inventory.schema.json      let an editor complete and check inventories
      pytest --inventory inventories/local.yaml  run the checks
      pytest --inventory FILE --dry-run          show what would be asked of whom
    """


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, type=_Settings(), help="Set a variable of the inventory.")
def validate(files: tuple[Path, ...], settings: tuple[tuple[str, str], ...]) -> None:
    """Check inventories without running anything: nothing is contacted.

    Several FILES are read as one inventory. Exit status 0 where it is right; 2 where it is not, with
    everything that is wrong, one a line, as file:line:column.

    \b
    Examples:
      muster validate inventories/quota-proxy.yaml
      muster validate site.yaml groups.yaml --set port=9000
    """
    from muster.inventory import InventoryError, load

    try:
        inventory = load(files, _once(settings))
    except InventoryError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
    click.echo(f"ok: {plural(len(inventory.hosts), 'host')}, {plural(len(inventory.targets), 'target')}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of inventories, for editors.

    An editor with the YAML language server completes and checks an inventory that begins with the line
    below; the path is relative to the inventory.

    \b
      # yaml-language-server: $schema=inventory.schema.json

    \b
    Example:
      muster schema > inventories/inventory.schema.json
    """
    import json

    from muster.inventory.editors import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _once(settings: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """The settings by name; a name that is given twice is a mistake."""
    names = [name for name, _ in settings]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise click.BadParameter(f"{twice} is set twice", param_hint="--set")
    return dict(settings)
