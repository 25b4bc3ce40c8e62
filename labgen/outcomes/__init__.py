"""What was built once is not built again: a leaf's outcome is kept under a hash of all that it depends on.

A cache and nothing else. Deleting it costs time and changes no byte of a dataset; what can't be read, or was not made
here, is made anew. Source: the action cache of build systems (as Bazel's); ours keeps, beside the hash of what goes in,
how far each threshold may move before anything of the outcome would change.
"""
