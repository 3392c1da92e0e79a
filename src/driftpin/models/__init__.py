"""Models: real providers behind one port, and two built in that need no network.

A model is asked once per request and answers with events; the turn loop stays outside. Importing
this room loads no provider's library: that happens when a provider is first asked.
"""
