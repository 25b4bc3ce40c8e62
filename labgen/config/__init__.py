"""`labgen.yaml`, typed, and how it is read: one file for each group of sections, `whole` for all of them together.

Defaults live here and nowhere else; secrets never do (they stay in the environment). Every field says its meaning, its
unit and why the default is what it is. Unknown keys are errors that name the nearest known key, since a misspelt
setting that is silently ignored costs money.
"""
