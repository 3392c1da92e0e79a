"""Texts that try to leave the place where they stand, each with a mark that is looked for later."""

from typing import Final

MARK: Final = "zq7"

INJECTIONS: Final = (
    f"' OR '{MARK}'='{MARK}",
    f'" OR "{MARK}"="{MARK}',
    f"'; DROP TABLE chats; -- {MARK}",
    f"{MARK}') OR 1=1 --",
    f"{MARK}%' AND 1=0 UNION SELECT secret_digest FROM tokens --",
    f"{MARK}\\' OR 1=1 --",
    f"{MARK}%",
    f"{MARK}_",
    f"{MARK}\\",
    f"%{MARK}%%",
    f"{MARK}$1",
    f"{MARK} :chat_id :param_1 %(a)s ?",
    f"{MARK}/**/OR/**/1=1",
    f"{MARK}\N{FULLWIDTH APOSTROPHE} OR 1=1",
    f"{MARK}\N{MODIFIER LETTER APOSTROPHE}; DELETE FROM users",
    f"0 OR {MARK}",
    f"1; SELECT pg_sleep(10) -- {MARK}",
    f"-created, (SELECT {MARK})",
    f"created DESC; {MARK}",
    f"CAST({MARK} AS text)",
    f"{MARK}\nUNION SELECT 1",
    f"{MARK}\x1a' OR 1=1",
    f"{{{MARK}}}",
    f"{MARK}<script>",
    f"{MARK}" + "'" * 150,
)

__all__ = ["INJECTIONS", "MARK"]
