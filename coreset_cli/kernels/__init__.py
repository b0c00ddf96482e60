"""Tensors in, tensors out; no files, no names of methods."""
