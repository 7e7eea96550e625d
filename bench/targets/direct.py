"""No gateway: the engine itself, from which added times are counted."""

from bench.targets import EMBEDDINGS, Running


class Direct:
    """The engine, asked directly."""

    name = "direct"
    abilities = frozenset({EMBEDDINGS})

    def version(self) -> str:
        return "-"

    def start(self, engine_url: str) -> Running:
        return Running(engine_url, ())

    def stop(self) -> None:
        pass
