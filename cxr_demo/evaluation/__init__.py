"""Evaluation of maps: metrics, per-film trust, weight randomisation and the benchmark."""
