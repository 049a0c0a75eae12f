"""Training the embedded name recognizers, from hash-checked base weights and permitted sources.

    corpus.py    sentences and spans of the permitted sources, and framed chat in many locales
    examples.py  rows as tokens and tags, in batches
    network.py   a BERT-shaped token classifier in plain PyTorch
    train.py     the programme that makes `accurate.onnx`
    narrow.py    a narrow student whose word vectors are computed before it is shipped
    distil.py    the programme that makes it from that teacher: `fast.onnx`
    export.py    ONNX in eight bits

Nothing here runs in the router, and nothing but the bench imports it. It needs the extra `train`.
"""
