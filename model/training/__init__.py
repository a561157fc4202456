"""Imitation learning: an expert's recorded drives in, a checkpoint out.

The way of the data: ``index`` walks a dataset once and computes labels (``labels``), ``dataset``
reads images and makes examples, ``data_module`` makes batches, ``module`` is one training step,
``optim`` the optimiser and its schedule. ``python -m model.training`` joins them.
"""
