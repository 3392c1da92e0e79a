"""Statements that write, one function per purpose. Operations are their only callers."""
