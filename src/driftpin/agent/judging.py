"""What the bytes of each kind of file amount to: a status, a digest, and what is worth a look."""

from driftpin.agent.stat_cache import FileReading, ParseFile
from driftpin.context.front_matter import HeaderRefusal, read_skill_header
from driftpin.context.mcp_config import ConfigRefusal, read_mcp_config
from driftpin.context.resource import Finding, Status
from driftpin.context.scanner import find_in_text
from driftpin.identity import digest_of

SKILL_TEXT_NAME = "SKILL.md"


def judge_instruction(content: bytes) -> FileReading:
    """Judge an instruction file: text that is UTF-8 without NUL, else invalid."""
    text = _text_of(content, path="")
    if isinstance(text, FileReading):
        return text
    return _ok(content, findings=find_in_text(text))


def judge_skill_text(directory: str) -> ParseFile:
    """Return the judge for the `SKILL.md` of a directory with that name."""

    def judge(content: bytes) -> FileReading:
        text = _text_of(content, path=SKILL_TEXT_NAME)
        if isinstance(text, FileReading):
            return text
        header = read_skill_header(text, directory)
        if isinstance(header, HeaderRefusal):
            place = Finding(header.reason, SKILL_TEXT_NAME, header.line, header.column)
            return _invalid(content, place)
        findings = (*header.warnings, *find_in_text(text, path=SKILL_TEXT_NAME))
        return FileReading(
            Status.OK,
            digest=digest_of(content),
            size_bytes=len(content),
            header=header,
            findings=findings,
        )

    return judge


def judge_skill_file(path: str) -> ParseFile:
    """Return the judge for a supporting file; whatever its bytes, they are usable."""

    def judge(content: bytes) -> FileReading:
        text = _text_of(content, path=path)
        if isinstance(text, FileReading):
            return _ok(content, findings=(Finding("not_text", path),))
        return _ok(content, findings=find_in_text(text, path=path))

    return judge


def judge_mcp_config(servers_key: str) -> ParseFile:
    """Return the judge for an MCP config; no digest of it is ever taken."""

    def judge(content: bytes) -> FileReading:
        servers = read_mcp_config(content, servers_key)
        if isinstance(servers, ConfigRefusal):
            place = Finding(servers.reason, "", servers.line, servers.column)
            return _invalid(content, place)
        return FileReading(Status.OK, size_bytes=len(content), servers=servers)

    return judge


def _text_of(content: bytes, *, path: str) -> str | FileReading:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _invalid(content, Finding("not_utf8", path, line))
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _invalid(content, Finding("control_char", path, line))
    return text


def _ok(content: bytes, *, findings: tuple[Finding, ...]) -> FileReading:
    return FileReading(
        Status.OK, digest=digest_of(content), size_bytes=len(content), findings=findings
    )


def _invalid(content: bytes, place: Finding) -> FileReading:
    return FileReading(Status.INVALID, place.code, size_bytes=len(content), findings=(place,))


__all__ = [
    "SKILL_TEXT_NAME",
    "judge_instruction",
    "judge_mcp_config",
    "judge_skill_file",
    "judge_skill_text",
]
