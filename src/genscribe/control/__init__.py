"""What people ask of a running process: `genscribe sinks`, `dead-letters` and `replay` come here through a socket.

The socket lies beside the store and is 0600; whoever connects must be our user, or root. `protocol` is what is said,
`place` where, `server` who answers, `commands` what is done; where no process runs, the commands of the command line
do the same with the store itself, and say the same.
"""
