"""Shapes that cross a process border, and nothing that decides.

Everything that comes in is read here, strictly: unknown fields, coercions and duplicate keys are
refused with a code and a JSON pointer. Behind this room values are trusted.
"""
