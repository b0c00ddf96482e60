"""What passes between stages: type, schema, read, write."""
