"""The page: its layout, its handlers, its endpoints."""
