"""Benchmarks of chatstream: ``python -m benchmarks`` from a clone. README.md beside this file says what is where."""
