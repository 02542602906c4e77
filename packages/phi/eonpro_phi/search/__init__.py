"""Search without plain text: columns of keyed hashes beside encrypted ones, exact or by the beginnings of words.

Touches nothing. `indexes` says what is compared, without a key; `rules` and `words` normalise texts; `keys` makes the
stored values. `PhiFields` has the keys:

    email = ExactIndex(table="Patient", column="emailSearch", rule="email")
    fields.search_value(email, "jane@example.org", clinic="7")
"""

from eonpro_phi.search.indexes import ExactIndex, WordIndex

__all__ = ["ExactIndex", "WordIndex"]
