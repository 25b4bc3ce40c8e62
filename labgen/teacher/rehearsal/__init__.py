"""The rehearsal teacher: a small deterministic rule-based model behind the same HTTP API as a real one.

It copies sentences out of documents, varies seed examples with a small lexicon, and computes its judgements from the
pair that it is shown. Its rows show that a leaf passes every stage, and nothing more: they teach no model anything.

`model.reply` is the pure part, `server` the HTTP part.
"""
