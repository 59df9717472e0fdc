"""One script per figure, each measuring its peers in the same run: `python -m benchmarks.<name> [--quick] [--json]`."""
