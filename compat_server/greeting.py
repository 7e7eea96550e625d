"""What `serve` prints once everything answers: each SDK, what to set, one line to paste."""

from rich import box
from rich.console import Console
from rich.table import Table

from backends.models import Model
from compat_server.config import Settings


def show(settings: Settings, models: list[Model]) -> None:
    console = Console()
    url = settings.url
    console.print(f"\n[bold green]compat-server is ready at {url}[/]\n")
    table = Table("SDK", "what to set", box=box.SIMPLE_HEAD, pad_edge=False)
    for sdk, setting, _ in lines(url):
        table.add_row(sdk, setting)
    console.print(table)
    for sdk, _, line in lines(url):
        console.print(f"[bold]{sdk}[/]")
        # Printed as it is: a table would break the line that is to be pasted.
        print(f"{line}\n")
    names = [model.id for model in models] + [backend.model for backend in settings.backend]
    console.print(f"Models: {', '.join(names) or 'none'}. State: {settings.home}. Ctrl-C stops it.")
    if not any(model.quality > 1 for model in models if model.capability == "chat"):
        console.print(
            "The chat model is small: right for wiring, not for wisdom. A better one: "
            "compat-server pull qwen2.5-coder-1.5b-instruct"
        )


def lines(url: str) -> list[tuple[str, str, str]]:
    """SDK, what to set, a line that works."""
    return [
        (
            "openai for Python",
            f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused",
            f'OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused python -c "from openai import OpenAI; '
            "print(OpenAI().chat.completions.create(model='gpt-4o-mini', messages=[{'role': "
            "'user', 'content': 'Say hello'}]).choices[0].message.content)\"",
        ),
        (
            "openai for JavaScript",
            f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused",
            f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused node --input-type=module -e "
            "\"import OpenAI from 'openai'; console.log((await new OpenAI().models.list()).data)\"",
        ),
        (
            "curl",
            f"{url}/v1",
            f"curl {url}/v1/embeddings -H 'content-type: application/json' "
            '-d \'{"model": "text-embedding-3-small", "input": "hello"}\'',
        ),
    ]
