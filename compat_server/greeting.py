"""What `serve` prints once everything answers: each SDK, what to set, one line to paste."""

from rich.console import Console
from rich.table import Table

from backends.models import Model
from compat_server.config import Settings


def show(settings: Settings, models: list[Model]) -> None:
    console = Console()
    url = settings.url
    table = Table("SDK", "set", "try", title=f"compat-server is ready at {url}", show_lines=True)
    for sdk, setting, line in lines(url):
        table.add_row(sdk, setting, line)
    console.print(table)
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
            "openai (Python, JavaScript)",
            f"OPENAI_BASE_URL={url}/v1\nOPENAI_API_KEY=unused",
            f'OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused python -c "from openai import OpenAI; '
            "print(OpenAI().chat.completions.create(model='gpt-4o-mini', messages=[{'role': "
            "'user', 'content': 'Say hello'}]).choices[0].message.content)\"",
        ),
        (
            "curl",
            "",
            f"curl {url}/v1/embeddings -H 'content-type: application/json' "
            '-d \'{"model": "text-embedding-3-small", "input": "hello"}\'',
        ),
    ]
