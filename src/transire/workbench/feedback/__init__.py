"""What people said of findings: false ones and misses, as a list to review.

    mark.py     one remark, as it is kept
    claims.py   what a person says, held against what was found
    summary.py  remarks by entity, and texts with the spans that are right
    store.py    the folder that keeps them

A remark holds no content: places, scores and keyed digests. Texts are kept only where a person asks
for it, in a file of their own.
"""
