"""The test suite: a file a room of the package, and the shared oracles, registry and random programs."""
