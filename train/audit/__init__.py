"""Checks of films, labels and splits before a training; the highest severity is the exit status."""
