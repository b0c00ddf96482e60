"""What `info` finds, one kind of file a module."""
