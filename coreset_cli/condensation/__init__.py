"""Synthetic sets learned from real rows; one method a file in `methods/`."""
