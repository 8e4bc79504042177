"""From a net to a program: an ordered list of named passes."""
