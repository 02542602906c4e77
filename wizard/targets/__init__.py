"""The deploy targets: one module or package each, and the port that all other code uses. Touches nothing."""
