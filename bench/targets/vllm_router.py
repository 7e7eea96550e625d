"""vllm-router, the Rust router of the vLLM project, with its default policies."""

import tempfile
from pathlib import Path

from bench.processes import tree
from bench.targets import EMBEDDINGS, Running, wheel
from bench.targets.child import Child, free_port


class VllmRouter:
    """One router process with the fake engine as its only worker."""

    name = "vllm-router"
    abilities = frozenset({EMBEDDINGS})

    def version(self) -> str:
        return wheel.version("vllm-router")

    def start(self, engine_url: str) -> Running:
        self.folder = tempfile.TemporaryDirectory()
        port = free_port()
        command = [wheel.program("vllm-router"), "--worker-urls", engine_url, "--host", "127.0.0.1"]
        command += ["--port", str(port), "--prometheus-port", str(free_port())]
        command += ["--policy", "round_robin", "--log-level", "warning"]
        self.child = Child(command, Path(self.folder.name) / "log")
        self.child.wait_ready(port, "/readiness", 60)
        return Running(f"http://127.0.0.1:{port}", tree(self.child.process.pid))

    def stop(self) -> None:
        self.child.stop()
        self.folder.cleanup()
