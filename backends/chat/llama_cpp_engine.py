"""The engine process for llama.cpp: `python -m backends.chat.llama_cpp_engine --help`.

xllamacpp serves its own HTTP port on a unix socket; nothing of ours is between it and the gateway.
"""

import os
from pathlib import Path

import click

from backends.child import stay_with_parent, wait_for_end


@click.command()
@click.option(
    "--model", type=click.Path(exists=True, path_type=Path), required=True, help="GGUF file"
)
@click.option("--socket", type=click.Path(path_type=Path), required=True)
@click.option("--context", type=int, required=True, help="tokens one conversation may have")
@click.option("--slots", type=int, default=4, help="conversations answered at the same time")
@click.option(
    "--threads", type=int, default=0, help="0: the machine's cores, less one for the gateway"
)
def main(model: Path, socket: Path, context: int, slots: int, threads: int) -> None:
    stay_with_parent()
    import xllamacpp

    threads = threads or max(1, (os.cpu_count() or 2) - 1)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    # Otherwise each slot would have a part of the context only.
    settings.kv_unified = True
    settings.n_parallel = slots
    # Memory for all of them is taken at once: were there less, several long conversations would
    # end one another with errors.
    settings.n_ctx = context * slots
    settings.use_jinja = True
    settings.warmup = False
    settings.ui = False
    settings.endpoint_slots = False
    settings.cpuparams.n_threads = threads
    settings.cpuparams_batch.n_threads = os.cpu_count() or threads
    # Each open stream holds one, and health checks must still get through.
    settings.n_threads_http = 128
    settings.hostnames = [str(socket)]
    settings.port = 1  # not used with a unix socket, but 0 would ask for a free one
    socket.unlink(missing_ok=True)
    server = xllamacpp.Server(settings)
    socket.chmod(0o600)
    print(f"listening on {server.listening_address}", flush=True)
    wait_for_end()


if __name__ == "__main__":
    main()
