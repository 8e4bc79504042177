"""From image files to the input of a net, and what a run said of how its pixels came there."""
