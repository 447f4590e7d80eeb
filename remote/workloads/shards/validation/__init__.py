"""What a dataset on disk is checked for; `shards.validate` runs it.

records     the manifests, and whether they can be read as such
agreement   what they say of one another, and which source rows they account for
stored      a shard's footer: row groups, columns, statistics
pages       the checksum of each page
values      every value of a row group
scores      the file of a ranker's scores, and whether shards hold them
seen        which source rows were met, so that none is met twice
"""
