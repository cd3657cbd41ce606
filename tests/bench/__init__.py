"""Benchmarks: measured, printed with a baseline of the same run, never asserted.

`make bench` runs all of them; `python -m tests.bench NAME` one.
"""
