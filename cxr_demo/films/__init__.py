"""Films: file formats, geometry, the frontal-film check, lung masks, label tables and phantoms."""
