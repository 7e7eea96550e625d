"""nginx as a plain proxy: the unit that every other gateway is measured in."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from bench.processes import tree
from bench.targets import EMBEDDINGS, Running, UnavailableError
from bench.targets.child import Child, free_port

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # By default nginx closes a connection after 1000 requests; that cost is not the proxy's.
    keepalive_requests 100000000;
    upstream engine {{
        server {engine};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Nginx:
    """One nginx worker with kept-alive connections to the engine."""

    name = "nginx"
    abilities = frozenset({EMBEDDINGS})

    def version(self) -> str:
        done = subprocess.run([_program(), "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().rpartition("/")[2]

    def start(self, engine_url: str) -> Running:
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        port = free_port()
        config = folder / "nginx.conf"
        engine = urlsplit(engine_url).netloc
        config.write_text(CONFIG.format(folder=folder, engine=engine, port=port))
        command = [_program(), "-p", str(folder), "-c", str(config)]
        command += ["-e", str(folder / "error.log")]
        self.child = Child(command, folder / "log")
        self.child.wait_ready(port, "/health", 10)
        return Running(f"http://127.0.0.1:{port}", tree(self.child.process.pid))

    def stop(self) -> None:
        self.child.stop()
        self.folder.cleanup()


def _program() -> str:
    # Debian keeps it in a folder that is on root's PATH only.
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    program = shutil.which("nginx", path=os.pathsep.join(folders))
    if program is None:
        raise UnavailableError(
            "nginx is the yardstick and is not on PATH. Install it: `apt-get install nginx` "
            "(Debian, Ubuntu), `dnf install nginx` (Fedora) or `brew install nginx` (macOS); "
            "a system service for it is not needed."
        )
    return program
