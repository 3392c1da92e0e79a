"""An MCP server over the pin of one chat, for agents that this project did not write.

Resources are the pinned files, prompts the pinned skills, tools the pinned tools. Everything that
is listed or read comes out of the pin, each time in one statement, so that it is there when the
workspace is gone; only a call of a tool needs the workspace's agent.

Nothing is kept between two requests. A server is opened for one request and thrown away with it, so
whichever replica is asked gives the same answer, and nobody's leave of yesterday is remembered.
"""
