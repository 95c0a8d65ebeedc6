"""One suite on many machines: shards of a run, and their reports joined."""
