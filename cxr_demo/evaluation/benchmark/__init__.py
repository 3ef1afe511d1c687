"""METHODS x METRICS x labelled films -> a table with intervals by patient.

OUT/films/STEM.json   what was measured on one film, written when it is done: a run that was killed goes on behind it
OUT/films.csv         the same, a line per film, finding and method
OUT/table.csv, .json, .md   figures per finding and in the mean, with 95 % intervals by patient bootstrap
OUT/*.png             plots
Every map is also made by controls that know nothing of the film or of the model: random maps, the centre, the lungs.
"""
