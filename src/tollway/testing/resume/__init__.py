"""`env.assert_resume_safe`: kill the worker at each commit in turn, and compare with a run that nobody killed.

check.py     the runs, one after another
mortal.py    a worker that dies at a commit, and leaves nothing tidied up
watched.py   contexts that note what a workflow asks for, in each of its executions
replay.py    do the executions of one run agree?    snapshot.py  do two runs end alike?
"""
