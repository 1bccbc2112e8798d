"""From what the tests found to a verdict on each clause, and to the words and files in which it is told."""
