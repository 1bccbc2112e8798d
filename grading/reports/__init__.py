"""What a verdict document looks like elsewhere: a page, and the formats of other programs. One renderer each."""
