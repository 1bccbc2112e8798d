"""The whole system as a small transition system, explored to the end: whether a connection can be forgotten.

`scope.py` says what is explored, `system.py` has the states and the table of moves, `story.py` tells a
counterexample, `exploration.py` finds it. Knows no judge of a timeline, and no server: it is the design alone.
"""
