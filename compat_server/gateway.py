"""The gateway process: `python -m compat_server.gateway`, started by `serve`.

It inherits its listening socket, so that callers who come while it is restarted wait instead of
being refused, and so that several gateways share one port.
"""

import os
import socket
from pathlib import Path

import uvicorn

from backends.child import stay_with_parent
from compat_server.app import create_app
from compat_server.config import load
from compat_server.logs import configure

GRACE_SECONDS = 10
"""How long answers that have begun may go on once the server is told to stop."""


def main() -> None:
    stay_with_parent()
    configure()
    settings = load()
    app = create_app(settings, Path(os.environ["COMPAT_SOCKETS"]), os.environ["COMPAT_DATABASE"])
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
    )
    listener = socket.socket(fileno=int(os.environ["COMPAT_LISTENER"]))
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
