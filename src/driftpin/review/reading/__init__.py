"""What reviewers may read: five tools over the pinned trees of a round, and nothing else.

Everything comes out of git objects that the round pinned: no work tree, no index, no attribute of a
file that is checked out, no network. A path is looked up in the list of a tree and never joined to
a directory, and no link is followed. What a tool returns is data inside a fence; whatever is cut
says so, and how to go on. An error is a result that says what to do.
"""
