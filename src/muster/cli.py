"""The command ``muster``: what is not a test run. The checks themselves run with pytest."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from muster.exits import EXIT_BROKEN, EXIT_CONFIGURATION, EXIT_INTERRUPTED
from muster.text import plural
from muster.version import VERSION


class _Settings(click.ParamType[tuple[str, str]]):
    name = "name=value"

    def convert(self, value: object, param: object, ctx: object) -> tuple[str, str]:
        name, found, text = str(value).partition("=")
        if not found or not name:
            raise click.BadParameter(f'"{value}" is not name=value')
        return name, text


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What click does by itself is left to pytest's ways: exit codes, colours, odd encodings."""
        if os.environ.get("NO_COLOR") or os.environ.get("FORCE_COLOR"):
            ctx.color = not os.environ.get("NO_COLOR")
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="muster", message="%(prog)s %(version)s")
def main() -> None:
    """Say whether hosts pass muster: an inventory says what should be true, checks are pytest tests.

    The checks run with pytest. This command is for what is not a test run.

    \b
    Examples:
      muster validate inventories/local.yaml     is the inventory right? contacts nothing
      muster schema > inventory.schema.json      let an editor complete and check inventories
      muster checks                              what can be looked at: kinds, checks, the facts they read
      pytest --inventory inventories/local.yaml  run the checks
      pytest --inventory FILE --dry-run          show what would be asked of whom
      muster merge shards/*                      make one report of those of all shards of a run
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


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--limits", is_flag=True, help="Print the measurements with their default limits instead.")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
def checks(paths: tuple[Path, ...], limits: bool, markdown: bool) -> None:
    """Print the kinds of target, the checks about each, and the facts that they read.

    The checks are those that ship, or those in PATHS. What a fact is asked by, `pytest --dry-run` shows.

    \b
    Examples:
      muster checks
      muster checks checks/site
      muster checks --limits     what is measured, and beyond which default limit a verdict is not ok
    """
    from muster import shipped
    from muster.declaration import CheckError

    if limits:
        _print_table([("measurement", "unit", "default limit", "meaning"), *shipped.limits()], markdown)
        return
    try:
        found = shipped.cases(paths or [shipped.folder()])
    except (CheckError, ImportError, SyntaxError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
    if markdown:
        click.echo("\n".join(shipped.markdown(found)))
        return
    for kind, cases in shipped.by_kind(found).items():
        click.secho(f"{kind.plural}: {plural(len(cases), 'check')}", bold=True)
        _print_table([shipped.row(case) for case in cases], markdown, indent="  ")
    click.echo(f"{plural(len(found), 'check')} in all")


@main.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "--reports",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Folder for the reports of them all.",
)
def merge(folders: tuple[Path, ...], reports: Path) -> None:
    """Make one report of those of all shards of a run.

    Each DIR is the --reports folder of one shard, a run of pytest with --shard. Their junit.xml, report.html and
    results.jsonl become one of each. Everything is looked at before anything is written: whether all shards are
    there, each once, of one inventory, run with the same options, ended, and with reports as they left them.

    Exit status: that of one run over everything, so 0 where all is well, 1 where a check failed or is unknown, 3
    where that is for want of an answer only, 5 where nothing was selected. 2 where the shards cannot be merged:
    every reason is told, and the reports that were there before stay. 4 where the reports cannot be written. 130
    where it was interrupted.

    \b
    Examples:
      pytest --inventory site.yaml --shard 1/2 --reports shards/1
      pytest --inventory site.yaml --shard 2/2 --reports shards/2
      muster merge shards/*
      muster merge shards/1 shards/2 --reports nightly
    """
    from muster.report.folder import Folder, FolderError
    from muster.scale.inputs import Refused
    from muster.scale.merge import merged

    try:
        if any(each.resolve() == reports.resolve() for each in folders):
            raise Refused(f"{reports}: would be both read and written; name another with --reports DIR")
        whole = merged(folders)
        with closing(Folder(reports)) as folder:
            whole.write(folder)
    except (Refused, FolderError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
    except OSError as error:
        click.echo(f"the reports are not written: {error.filename or reports}: {error.strerror}", err=True)
        sys.exit(EXIT_BROKEN)
    try:
        whole.tell(_Terminal())
    except OSError:  # nobody reads on (`| head`): the reports are written, and the exit code stands
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(whole.exit_code)


class _Terminal:
    """Stands for pytest's terminal reporter, to write a listing to."""

    _COLOURS = ("green", "yellow", "red", "purple")

    def __init__(self) -> None:
        self._within_line = False

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        colour = next((name for name in self._COLOURS if markup.get(name)), None)
        styled = click.style(
            content, {"purple": "magenta"}.get(colour or "", colour), bold=markup.get("bold"), dim=markup.get("light")
        )
        click.echo(styled, nl=False)
        self._within_line = not content.endswith("\n")

    def write_line(self, line: str, **markup: bool) -> None:
        self.write(line, **markup)
        click.echo()
        self._within_line = False

    def ensure_newline(self) -> None:
        if self._within_line:
            click.echo()
        self._within_line = False


def _print_table(rows: Sequence[tuple[str, ...]], markdown: bool, indent: str = "") -> None:
    """Columns of a terminal, the last one as wide as it is; or of Markdown, where the first row is the heading."""
    if markdown:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        click.echo("\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]))
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo(indent + "  ".join([*cells, row[-1]]).rstrip())


def _once(settings: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """The settings by name; a name that is given twice is a mistake."""
    names = [name for name, _ in settings]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise click.BadParameter(f"{twice} is set twice", param_hint="--set")
    return dict(settings)
