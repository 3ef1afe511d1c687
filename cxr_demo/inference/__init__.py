"""Fast inference on many masked copies of one film."""
