"""Stage 1: what is in a request.

`parse` and `normalize` turn bytes into a typed body, by the one table in `fields`. `detector` is
the stage: it has every part read (`reader`, `scan`, `pool`) and concludes (`conclusion`); `remedy`
takes found values out, `restore` puts them back.
"""
