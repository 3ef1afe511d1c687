"""Networks and their weights: model folders, the Hugging Face Hub, and names for all of them."""
