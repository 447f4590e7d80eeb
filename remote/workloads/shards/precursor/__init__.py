"""A model that tells the bin of the precursor's m/z from the other peaks, trained on shards.

It is a task that can be checked: whether a dataset holds anything that can be learned, and
whether a split leaks. What it is not is a way to find precursors: it is told which peaks to
leave out.
"""
