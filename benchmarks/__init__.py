"""Benchmarks that developers run from a checkout; the installed package excludes them."""
