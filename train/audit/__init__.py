"""Checks of films, labels and splits before anything is trained on them. Severity decides the exit status."""
