"""Models on this machine: fetching with progress, listing, removing."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from backends import fetch as fetching
from backends import models as catalogue
from backends.models import Model, ModelError, Report
from compat_server.config import Settings

console = Console(stderr=True)


def missing_defaults(settings: Settings) -> None:
    """What `serve` needs before it can start: the configured models, else the defaults."""
    known = catalogue.load_catalogue()
    if settings.models is None:
        wanted = [model for model in known.values() if model.default]
    else:
        wanted = chosen(known, settings.models)
    install(settings, known, wanted)


def fetch(settings: Settings, names: Iterable[str]) -> None:
    """Installs the models named, or all if none is. Raises `ModelError`."""
    known = catalogue.load_catalogue()
    install(settings, known, chosen(known, names) or list(known.values()))


def install(settings: Settings, known: dict[str, Model], models: Collection[Model]) -> None:
    """With what they need. Raises `ModelError`."""
    wanted = {model.id: model for model in models}
    wanted |= {name: known[name] for model in models for name in model.needs}
    missing = [m for m in wanted.values() if not catalogue.is_installed(m, settings.models_dir)]
    if not missing:
        return
    size = sum(model.size for model in missing) / 1e6
    console.print(
        f"Fetching {len(missing)} model(s), {size:.0f} MB, once for every clone and server."
    )
    for model in missing:
        with reporting(model) as report:
            fetching.install(model, settings.models_dir, report)


@contextmanager
def reporting(model: Model) -> Iterator[Report]:
    """A progress bar on a terminal, a line per step elsewhere."""
    steps: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def report(now: catalogue.Progress) -> None:
            if now.text not in steps:
                if not console.is_terminal:
                    console.print(f"{model.id}: {now.text}")
                steps[now.text] = progress.add_task(f"{model.id}: {now.text}", total=None)
            progress.update(steps[now.text], completed=now.done, total=now.total or None)

        yield report


def offer(settings: Settings) -> None:
    """Every model of the catalogue, with what it is good for and what it costs to have."""
    for model in catalogue.load_catalogue().values():
        here = ", installed" if catalogue.is_installed(model, settings.models_dir) else ""
        click.secho(f"{model.id} ({model.capability}{here})", bold=True)
        memory = f", {model.memory_mb} MB of memory" if model.memory_mb else ""
        click.echo(f"  {model.summary}")
        click.echo(f"  {model.size / 1e6:.0f} MB on disk{memory}, {model.licence}")
    click.echo("Fetch one with `compat-server pull MODEL`; the next start serves it.")


def remove(settings: Settings, names: Iterable[str]) -> None:
    """Raises `ModelError`."""
    for model in chosen(catalogue.load_catalogue(), names):
        catalogue.remove(model, settings.models_dir)
        console.print(f"{model.id} removed")


def chosen(known: dict[str, Model], names: Iterable[str]) -> list[Model]:
    """By id or by upstream name. Raises `ModelError`."""
    by_name = {**{m.repository: m for m in known.values()}, **known}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ModelError(f"no model named {unknown[0]!r}; there are {', '.join(known)}")
    return [by_name[name] for name in names]
