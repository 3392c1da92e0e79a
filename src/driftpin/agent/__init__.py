"""The workspace agent: what lies in a workspace, watched, resolved and pushed."""
