"""`python -m compat_server`: the same as the `compat-server` command."""

from compat_server.cli import main

main()
