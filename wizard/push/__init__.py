"""`push`: the escrowed data key to its targets again, and the redeploy that makes them use it."""
