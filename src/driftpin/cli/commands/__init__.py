"""What can be typed, one module per family of commands."""
