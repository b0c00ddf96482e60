"""The parts of `corrupt`: what was asked for, and one file each for images, labels and vectors."""
