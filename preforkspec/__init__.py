"""The launcher: a command line around the suite. It finds the suite and runs it, and imports none of it statically.

So `import preforkspec` costs nothing, and nothing with a name as common as `spec` need be importable before the suite
was found.
"""
