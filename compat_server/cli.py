"""The `compat-server` command."""

import asyncio
import sys
from typing import NoReturn

import click

from compat_server import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """One server for the SDKs you already use, answered by engines you run."""


@cli.command()
def serve() -> None:
    """Fetch what is missing, start everything, keep it running. Ctrl-C stops it."""
    from compat_server import greeting, pull, serve
    from compat_server.config import load

    settings = load()
    pull.missing_defaults(settings)
    asyncio.run(serve.run(settings, greeting.show))


@cli.command()
@click.argument("models", nargs=-1)
@click.option("--defaults", is_flag=True, help="What `serve` would fetch.")
@click.option("--all", "everything", is_flag=True, help="Every model of the catalogue.")
def pull(models: tuple[str, ...], defaults: bool, everything: bool) -> None:
    """Fetch MODELS; without any, say which there are and what each is good for."""
    from compat_server import pull as pulling
    from compat_server.config import load

    settings = load()
    if defaults:
        pulling.missing_defaults(settings)
    elif everything or models:
        pulling.fetch(settings, models)
    else:
        pulling.offer(settings)


@cli.command("list")
def list_() -> None:
    """The models of the catalogue, and which are installed."""
    from compat_server import pull
    from compat_server.config import load

    pull.offer(load())


@cli.command()
@click.argument("models", nargs=-1, required=True)
def rm(models: tuple[str, ...]) -> None:
    """Delete MODELS from the cache."""
    from compat_server import pull
    from compat_server.config import load

    pull.remove(load(), models)


def main() -> NoReturn:
    """Expected failures end with their message, not with a traceback."""
    from backends.local import ProgramEnded
    from backends.models import ModelError
    from backends.storage.migrate import MigrationFailed
    from backends.storage.postgres import PostgresUnavailable
    from compat_server.config import ConfigError
    from compat_server.logs import configure
    from routing.catalogue import UnknownAlias

    expected = (
        ConfigError, ModelError, MigrationFailed, PostgresUnavailable, ProgramEnded, UnknownAlias
    )  # fmt: skip
    configure()
    try:
        cli()
    except expected as error:
        click.secho(f"compat-server: {error}", fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)
