"""A build in rounds: all calls that can be asked at a time, as files that anything which answers batches can answer."""
