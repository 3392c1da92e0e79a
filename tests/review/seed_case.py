"""The case that the panel was made after: one change, four rounds, from raw claims alone."""

from dataclasses import dataclass

from driftpin.review.ledger import ReplyKind
from driftpin.review.rounds import Ran
from review.world import World, answer, claim, ruling

SERVICE_BEFORE = """\
def fetch(store, name):
    row = store.execute(name)
    return row


def close(store):
    store.close()
"""
SERVICE = """\
async def fetch(store, name, token):
    for attempt in range(3):
        row = await store.execute(name)
        if row is not None:
            return row
    return None


async def retry(store, names, token):
    rows = []
    for name in names:
        rows.append(await fetch(store, name, token))
    return rows


def shut(store):
    store.close()
"""
PACE = "PACE_MS = 10\n\n\ndef pace(count):\n    return count * PACE_MS\n"
CONFIG = "LIMIT = 3\nNAME = 'service'\n"
TESTS = "def test_fetch(store):\n    assert store is not None\n"
SERVICE_TWO = (
    SERVICE.replace("    return rows", "    found = rows\n    return found")
    .replace("def shut", "def close")
    .replace("    return None", '    raise LookupError("no row")')
)
PACE_TWO = PACE.replace("count", "steps")
TESTS_TWO = TESTS + "\n\ndef test_retry(store):\n    assert retry(store, [], '') is not None\n"
SERVICE_THREE = SERVICE_TWO.replace(
    '    raise LookupError("no row")', "    raise LookupError(name)"
)
TESTS_FOUR = (
    TESTS_TWO
    + "".join(
        f"\n\ndef test_{name}(store):\n    given = fetch(store, '{name}', '')\n    assert given\n"
        for name in ("one", "two", "three")
    )
    + "\n# The end.\n"
)

NOT_TESTED = "the retry path has no test"
ANSWERED_TWELVE = (
    *("test-auditor", "edge-cases", "contract-auditor", "security", "concurrency", "database"),
    *("performance", "callers", "removed-behaviour", "structure", "duplication"),
    "architecture-python",
)


def _nit(path: str, line: int, quote: str, statement: str) -> dict[str, object]:
    return {
        "severity": "Nit",
        "path": path,
        "line": line,
        "category": "naming",
        "statement": statement,
        "quote": quote,
    }


@dataclass
class SeedCase:
    """The rounds, to be run one after the other."""

    world: World

    def base(self) -> None:
        repo = self.world.repo
        repo.put("AGENTS.md", "# Rules\n\nEvery path has a test.\n")
        repo.write(service=SERVICE_BEFORE, config=CONFIG)
        repo.commit("base")
        repo.git("tag", "base")

    async def first(self) -> Ran:
        """The whole panel looks: five findings, one of them raised by twelve."""
        world = self.world
        world.repo.write(service=SERVICE, pace=PACE, tests__test_service=TESTS)
        world.repo.commit("Retry what is not there yet")
        scouts = _nit("pace.py", 4, "def pace(count):", "`count` of what?")
        world.script.say(1, "scout", answer(scouts, good=["The retry is bounded."]))
        own = claim(
            *("service.py", 6, "return None", "a missing row is told as nothing"),
            severity="P3",
            category="contract",
        )
        for index, role in enumerate(ANSWERED_TWELVE):
            line = 10 + index % 2
            common = claim(
                *("service.py", line, SERVICE.splitlines()[line - 1]),
                f"{NOT_TESTED}, says the lens {role}",
                category="untested",
                severity="P3" if role == "security" else "P2",
            )
            world.script.say(1, role, answer(common, *([own] if role == "edge-cases" else [])))
        names = _nit("service.py", 16, "def shut(store):", "`close` was a better name than shut")
        rows = _nit("service.py", 13, "return rows", "found says more than rows")
        world.script.say(1, "style", answer(names))
        world.script.say(1, "modern-python", answer(rows))
        return await world.round()

    async def second(self) -> Ran:
        """Five are verified; one new finding stands in the delta, one in no line of the diff."""
        world = self.world
        for number in range(1, 6):
            world.reply(f"CRF-{number}", ReplyKind.FIXED)
        world.repo.write(service=SERVICE_TWO, pace=PACE_TWO, tests__test_service=TESTS_TWO)
        world.repo.commit("Answer the review")
        proofs = {
            "CRF-1": ("pace.py", 4, "def pace(steps):"),
            "CRF-2": ("tests/test_service.py", 5, "def test_retry(store):"),
            "CRF-3": ("service.py", 6, 'raise LookupError("no row")'),
            "CRF-4": ("service.py", 14, "return found"),
            "CRF-5": ("service.py", 17, "def close(store):"),
        }
        for name, (path, line, quote) in proofs.items():
            world.script.verify(2, name, ruling("fixed", path, line, quote))
        unnamed = claim(
            *("service.py", 6, 'raise LookupError("no row")', "the error does not say which row"),
            severity="P3",
            category="errors",
        )
        limit = claim(
            *("config.py", 1, "LIMIT = 3", "the limit of the settings is not the one in use"),
            severity="P4",
            category="settings",
        )
        world.script.say(2, "contract-auditor", answer(unnamed))
        world.script.say(2, "structure", answer(limit))
        return await world.round()

    async def third(self) -> Ran:
        """Both are fixed, and nothing is new."""
        world = self.world
        for name in ("CRF-6", "CRF-7"):
            world.reply(name, ReplyKind.FIXED)
        world.repo.write(
            service=SERVICE_THREE, config=CONFIG.replace("3", "4") + "def used(): ...\n"
        )
        world.repo.commit("Name the row")
        world.script.verify(3, "CRF-6", ruling("fixed", "service.py", 6, "raise LookupError(name)"))
        world.script.verify(3, "CRF-7", ruling("fixed", "config.py", 1, "LIMIT = 4"))
        return await world.round()

    async def fourth(self) -> Ran:
        """Seventeen lines of tests, and nothing else."""
        self.world.repo.write(tests__test_service=TESTS_FOUR)
        self.world.repo.commit("More tests")
        return await self.world.round()
