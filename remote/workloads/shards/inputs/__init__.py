"""Inputs of every kind: opened, checked, and read as rows of arrays (`source.Source`)."""
