"""LiteLLM's proxy with one worker, no database and no cache."""

import json
import tempfile
from pathlib import Path

from bench.answers import EMBEDDING_MODEL, SCRIPTS
from bench.processes import tree
from bench.targets import EMBEDDINGS, RENAME, RENAMED_MODEL, Running, wheel
from bench.targets.child import Child, free_port


class LiteLlm:
    """One proxy process; its configuration is YAML, of which JSON is a part."""

    name = "litellm"
    abilities = frozenset({EMBEDDINGS, RENAME})

    def version(self) -> str:
        return wheel.version("litellm")

    def start(self, engine_url: str) -> Running:
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        port = free_port()
        upstream = {model: model for model in (*SCRIPTS, EMBEDDING_MODEL)}
        upstream[RENAMED_MODEL] = "fake-burst"
        models = [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{asked}",
                    "api_base": f"{engine_url}/v1",
                    "api_key": "none",
                },
            }
            for model, asked in upstream.items()
        ]
        config = folder / "config.yaml"
        config.write_text(json.dumps({"model_list": models}))
        command = [wheel.program("litellm"), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        env = {
            # Otherwise it fetches a list of prices from the network when it starts.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            # Without a key, like the other targets: it only listens on loopback, and only now.
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOG": "ERROR",
        }
        self.child = Child(command, folder / "log", env)
        self.child.wait_ready(port, "/health/liveliness", 180)
        return Running(f"http://127.0.0.1:{port}", tree(self.child.process.pid))

    def stop(self) -> None:
        self.child.stop()
        self.folder.cleanup()
