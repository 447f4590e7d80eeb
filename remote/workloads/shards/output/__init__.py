"""What a build writes: row groups, shards, manifests, and the journal that a resume goes by."""
