"""A pre-forked web server, written to be read.

A parent keeps a pool of children; all of them wait on one shared listening socket, and the kernel decides which of
them accepts. Each child tells its parent, in one-byte messages on a channel of its own, when it turns busy and when
it is idle again. From these the parent keeps the number of *idle* children within two bounds. After a fixed number
of connections a child ends, and another takes its place.

Each file is about one noun. Read: parameters, channel, listener, service, child, pool, signals, parent, report.
"""
