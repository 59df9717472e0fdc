"""`make bench`: every benchmark, one after the other, each in a process of its own. Exit 1 if one could not run."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks


def main() -> int:
    """Run those named as arguments, or all; options such as --quick and --json are handed on."""
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    every = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    failed = 0
    for name in chosen or every:
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
