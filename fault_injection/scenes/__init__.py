"""What the tests of this folder play: an ordeal and its aftermath, and a soak. Knows pools, and the faults."""
