"""A code-review panel on one pinned context: models read, claim, refute and verify; code decides.

The room uses the control plane as any client does. What decides is pure and stands in files of
its own: `diff`, `claims`, `anchors`, `cross_check`, `matching`, `verification`, `verdict` and the
reports. `planning` says which model requests a round still needs, given those that were answered;
`deciding` turns the answers into findings. So a round that crashed goes on where it stopped, and a
recorded one is played again without a model. `rounds` does what touches the world.
"""
