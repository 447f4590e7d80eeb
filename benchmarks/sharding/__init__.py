"""How fast sharding is, where the time goes, what it takes in memory, and what others take.

python -m benchmarks.sharding --help
"""
