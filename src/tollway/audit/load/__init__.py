"""Reading: files become statements, each of which knows where every character came from."""
