"""Honest ratios on this machine: see `python -m tests.bench --help`."""
