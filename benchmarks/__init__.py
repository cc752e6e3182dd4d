"""Benchmarks of chatstream: run with ``python -m benchmarks`` from a clone."""
