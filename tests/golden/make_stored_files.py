"""Write the stored table file that every later version has to load: ``python tests/golden/make_stored_files.py``.

Run it once for each new format of the file, under a new name. A file that exists is never written again.
"""

from pathlib import Path

import numpy as np

import fastcands as fc

LABELS = np.array([[1], [4], [2]])
INPUTS = np.array([[0.5, -1.0], [1.0, 0.25], [-0.75, 2.0]], np.float32)

path = Path(__file__).with_name("table-format-1.npz")
if path.exists():
    raise SystemExit(f"{path} exists already")
schedule = fc.schedules.linear(0.5, 100, warmup=3)
table = fc.ClassTable(6, 2, dtype="float32", optimizer=fc.Adagrad(lr=schedule, clip_norm=10.0), seed=5)
samplers = {"log_uniform": fc.LogUniformSampler(6, seed=42), "learned": fc.LearnedUnigramSampler(6, seed=7)}
for sampler in samplers.values():
    table.train_step(fc.SampledSoftmaxLoss(sampler, num_sampled=3), LABELS, INPUTS)
table.save(path, samplers=samplers)
print(table.weights.tolist(), table.biases.tolist(), table.optimizer_state, sep="\n")
print({name: sampler.sample(LABELS, 4).sampled_candidates.tolist() for name, sampler in samplers.items()})
