"""Structure: from statements to routines, tables and trees of PL/pgSQL."""
