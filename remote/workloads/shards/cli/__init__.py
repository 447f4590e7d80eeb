"""The `msms` command line: one module per verb."""
