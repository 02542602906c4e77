"""Where the application runs: one module for each deploy target, and the port by which everything else asks them."""
