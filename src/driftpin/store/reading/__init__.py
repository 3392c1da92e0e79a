"""Statements that read, one function per purpose. `store.Store` is their only caller."""
