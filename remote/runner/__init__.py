"""Inside the run: executes the run directory's notebook and says how it ended."""
