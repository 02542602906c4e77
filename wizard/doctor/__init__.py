"""`doctor`: what is wrong with a stack, each fault reduced to its cause and the command that mends it. Reads only."""
