"""What statements do: writes with their columns and values, calls, tables, triggers and cascades."""
