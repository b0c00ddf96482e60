"""The parts of `embed`: samples read ahead on threads, work kept while it goes on, the output."""
