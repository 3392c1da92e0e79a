"""The typed HTTP client: of users in `client`, of workspace agents in `agent`."""
