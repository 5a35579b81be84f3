"""Examples to run and to copy, see README.md.

own_arrays      arrays with labels for few images, networks of one's own, and the baseline
own_network     networks of any kind and an objective of one's own, in a run's folder
own_recipe      a recipe file with networks, data and losses, for `improved-gan train`
dcgan_jax       a DCGAN of the layers under JAX, with a training loop of its own
scoring.ipynb   Inception score and FID in a notebook
"""
