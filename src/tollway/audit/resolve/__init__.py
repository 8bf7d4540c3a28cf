"""Dynamic SQL: which texts can an expression be?"""
