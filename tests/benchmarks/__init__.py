"""Benchmarks: what Muster costs beside what people use today. ``python -m tests.benchmarks``; docs/benchmarks.md."""
