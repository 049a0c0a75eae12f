"""Training the embedded name recognizers, from hash-checked base weights and permitted sources.

    corpus.py   sentences and spans of the permitted sources, and framed chat in many locales
    network.py  a BERT-shaped token classifier in plain PyTorch
    train.py    the programme: teacher, student, export, measures

Nothing here runs in the router, and nothing else imports it. It needs the extra `train`.
"""
