"""What damages data: images, labels and vectors, one kind a function."""
