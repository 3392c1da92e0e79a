"""The server: routes, streams, who may call them, and the composition of it all."""
