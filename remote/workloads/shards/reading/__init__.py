"""Reading shards: as Arrow, under other libraries' names, and into other libraries' forms."""
