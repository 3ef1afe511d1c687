"""Train a classifier for the page, after an audit of its films and labels."""
