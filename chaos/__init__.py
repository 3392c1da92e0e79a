"""Long runs of the fault tests: the same code as the tests, with larger counts and other seeds."""
