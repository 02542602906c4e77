"""The wizard: sets up the key for PHI, then keeps it: checks, reviews, rotations.

Touches nothing itself.
"""

from pathlib import Path

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
"""The folder of Pulumi.yaml, where the stacks' settings, reviews and reports are kept."""
