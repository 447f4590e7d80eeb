"""Workhorse: run notebooks in containers on the machine next to you."""

__version__ = "0.1.0"
