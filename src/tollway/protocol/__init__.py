"""Pure: what is said to the database and how its answers are read. No input or output here."""
