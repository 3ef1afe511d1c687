"""Files into films: formats, geometry, what a film looks like, label tables, drawn films."""
