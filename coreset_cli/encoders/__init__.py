"""What turns images and texts into vectors: one family a file."""
