"""Running a network on many masked copies of a film, as fast as this machine allows."""
