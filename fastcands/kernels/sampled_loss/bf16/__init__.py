"""The same stages on packed blocks of bfloat16."""
