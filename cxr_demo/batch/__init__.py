"""Predictions and maps of whole data sets: films read side by side, results kept film by film, tables at the end."""
