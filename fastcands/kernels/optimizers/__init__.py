"""Updates of a table's rows, in place."""
