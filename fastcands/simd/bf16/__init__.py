"""What is done between products of packed bfloat16 blocks: packing, epilogues, sums. Vectors always have 16 lanes."""
