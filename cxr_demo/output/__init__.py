"""Results as colours, files, HTML and the browser's data."""
