"""Measures of maps: metrics, trust, weight randomisation, failure cases, the benchmark."""
