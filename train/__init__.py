"""Train a classifier for the page, after its films and labels were checked."""
