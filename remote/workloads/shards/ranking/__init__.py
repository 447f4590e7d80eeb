"""Optional: a score of each spectrum from a language model, asked for before the build's tasks."""
