"""Rules of guards: pure readings of texts and answers, run by the stages that hold them.

A room of its own, beneath the stages, because two of them run these rules: `classify` reads texts
(of requests and of answers, in its workers, through its decode views), `validate` judges answers.
"""
