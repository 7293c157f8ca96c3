"""The passes of exact losses on packed blocks of bfloat16."""
