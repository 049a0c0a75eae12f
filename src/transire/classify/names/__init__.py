"""Names of people in text, by small models that travel with the package.

    wordpiece.py  text to word pieces with offsets (no dependency, checked against vectors)
    tagger.py     one ONNX model: windows of pieces to likelihoods
    spans.py      likelihoods to names
    chain.py      a better model and a faster one over the same pieces
    forms.py      titles, greetings, closings, fields: where names stand by rule
    local.py      models of one's own, spaCy's and ONNX, by path and digest
    finder.py     who reads what for how long, off the event loop
    weights/      the models, their vocabulary and their notice

How they were made: `transire.workbench.names`. How good they are: docs/reference/names.md.
"""
