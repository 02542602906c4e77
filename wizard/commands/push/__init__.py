"""`push`: deliver the variables again."""
