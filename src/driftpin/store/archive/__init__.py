"""Backups: the file, and what a database is made from and made into.

A backup holds rows, not pages, so that it restores into either engine and into a later release.
It is a gzip stream of JSON lines:

    {"format": "driftpin-backup", "version": 1, "revision": …, "made_at": …, "epoch": …}
    {"table": "users", "columns": [["id", "id"], ["name", "text"], …]}
    ["0197…", "ann", …]                  one line per row, in the order of the primary key
    {"rows": 1, "digest": "sha256:…"}    of the rows of this table
    …
    {"tables": 21, "digest": "sha256:…"} of every line before; without it the file is not whole
"""
