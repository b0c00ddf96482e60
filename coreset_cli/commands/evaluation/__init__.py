"""The parts of `evaluate`: what is read, what is trained, what is told."""
