"""Benchmark: all methods and metrics on labelled films, with 95 % intervals by patient bootstrap.

OUT/films/STEM.json         measurements of one film, written when complete; an interrupted run resumes from them
OUT/films.csv               the same measurements, one line per film, finding and method
OUT/table.csv, .json, .md   metrics per finding and their means over findings, with intervals
OUT/*.png                   plots
The same metrics are computed for control maps, which do not depend on the model: random maps, the centre, the lungs.
"""
