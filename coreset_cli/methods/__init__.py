"""One selection method a file; the folder is the register."""
