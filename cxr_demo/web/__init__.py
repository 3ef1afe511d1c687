"""The web page: layout, event handlers, job queue, uploads and endpoints for programs."""
