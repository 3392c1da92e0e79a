"""Resources, manifests, digests, drift and diffs: pure values and functions, no input or output."""
