"""Models: networks, weights, model folders, the Hugging Face Hub and the registry of model names."""
