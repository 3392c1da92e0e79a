"""Files whose bytes never leave the workspace, even when a link gives them an innocent name."""

from typing import Final

MCP_CONFIG_KEYS: Final = {
    ".mcp.json": "mcpServers",
    ".cursor/mcp.json": "mcpServers",
    ".vscode/mcp.json": "servers",
}
_PRIVATE_DIRECTORIES: Final = frozenset({".git", ".hg", ".jj", ".svn"})


def is_private(path: str) -> bool:
    """Whether a path, relative to a root and without links, is an MCP config or a repository's."""
    return path in MCP_CONFIG_KEYS or not _PRIVATE_DIRECTORIES.isdisjoint(path.split("/"))


__all__ = ["MCP_CONFIG_KEYS", "is_private"]
