"""The side-by-side benchmark: what is measured, of whom, how, and how it is told."""
