"""Small figures as SVG, drawn here: a notebook shows them, and a file of one needs nothing else."""
