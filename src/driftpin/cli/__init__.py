"""The command line: arguments in, text out.

`commands` holds what can be typed, one light module per family; whatever a command needs is
imported when it runs, so that `driftpin --help` does not pay for a server. Data goes to the
standard output, everything else to the standard error.
"""
