"""`python -m bench`: measures the gateways, prints the table and writes it down."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from bench import processes, report, rounds
from bench.imports import import_seconds
from bench.targets import Target, UnavailableError
from bench.targets.compat_server import CompatServer
from bench.targets.direct import Direct
from bench.targets.litellm import LiteLlm
from bench.targets.nginx import Nginx
from bench.targets.vllm_router import VllmRouter

PEERS: dict[str, type[Target]] = {VllmRouter.name: VllmRouter, LiteLlm.name: LiteLlm}


def main() -> int:
    """0: measured; 1: a target did not start or answered wrongly; 2: something is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--also", action="append", choices=PEERS, default=[], help="a peer")
    parser.add_argument("--peers-only", action="store_true", help="leave compat-server out")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    options = parser.parse_args()

    targets: list[Target] = [Direct(), Nginx()]
    if not options.peers_only:
        targets.append(CompatServer())
    targets += [PEERS[name]() for name in options.also]
    try:
        versions = {target.name: target.version() for target in targets}
    except UnavailableError as missing:
        print(missing, file=sys.stderr)
        return 2

    cores = processes.cores()
    try:
        outcome = rounds.run(targets, options.rounds, cores or (None, None))
        imported_s = None if options.peers_only else import_seconds("compat_server.app")
    except (RuntimeError, subprocess.TimeoutExpired) as failure:
        print(failure, file=sys.stderr)
        return 1
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    text = report.render(outcome, versions, command, options.rounds, cores is not None, imported_s)
    options.out.write_text(text)
    print("\n" + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
