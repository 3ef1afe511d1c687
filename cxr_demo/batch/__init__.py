"""Predictions of whole data sets: films read side by side, scored in batches, kept film by film."""
