"""Who can use, administer and delete the key, and the reviews in which a person accepted it.

Pure; `stored_reviews` reads and writes the folder of the reviews.
"""
