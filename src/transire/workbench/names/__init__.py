"""Training the embedded name recognizers, from hash-checked base weights and permitted sources.

    corpus.py    sentences and spans of the permitted sources, and framed chat in many locales
    examples.py  rows as tokens and tags, in batches
    network.py   a BERT-shaped token classifier in plain PyTorch
    train.py     the programme: teacher, student, export
    prune.py     the programme that makes the student cheaper, by least squares: `fast.onnx`
    narrow.py    a narrower student whose word vectors are computed before it is shipped
    distil.py    the programme that makes it from the shipped teacher
    export.py    ONNX in eight bits

Nothing here runs in the router, and nothing but the bench imports it. It needs the extra `train`.
"""
