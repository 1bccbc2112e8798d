"""A server under test: how to build and start it, where it runs, and how nothing of it is left behind."""
