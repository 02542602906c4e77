"""`cost`: what a stack costs by its settings, what it cost by what was used, and what another use would cost."""
