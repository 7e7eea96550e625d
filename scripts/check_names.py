"""Fails if an installed distribution other than ours owns one of our top-level packages."""

import sys
from importlib.metadata import packages_distributions

OURS = "compat-server"
PACKAGES = ("compat_server", "routing", "backends")

owners = packages_distributions()
clashes = {name: set(owners.get(name, ())) - {OURS} for name in PACKAGES}
for name, others in clashes.items():
    for other in sorted(others):
        print(f"the distribution {other} also installs {name!r}", file=sys.stderr)
sys.exit(any(clashes.values()))
