"""Run files for training programs: one for each phase, and a script that chains them."""
