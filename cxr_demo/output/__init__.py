"""Output of results: colour maps, files, HTML and data for the browser."""
