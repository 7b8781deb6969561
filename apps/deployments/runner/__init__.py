"""
What a worker and a run process do: claim, spawn, execute, finish, sweep. No rights, no HTTP.

    claim.py       one conditional UPDATE, then a process of its own
    execution.py   the run process: host, pump, keeper, end
    pump.py        the host's lines into the spool and the database
    keeper.py      heartbeat, cancel, time limit
    finishing.py   the last transaction of a run
    progress.py    what a finished run means for its deployment
    guard.py       the fingerprint, once more, right before the update
    verification.py  the checks after an update
    sweep.py       what a lost hint or a dead process left undone
"""
