"""One file per noun of the API: each reads a request, calls one door, and writes a shape."""
