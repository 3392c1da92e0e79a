"""The lock is installed without a resolver, so it must be complete by itself."""

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement


def lacking(wanted: Requirement, seen: set[tuple[str, str]]) -> list[str]:
    """What `wanted` and everything it needs in turn do not find installed."""
    try:
        found = distribution(wanted.name)
    except PackageNotFoundError:
        return [f"{wanted} is not installed"]
    wrong = []
    if not wanted.specifier.contains(found.version, prereleases=True):
        wrong.append(f"{wanted} is not met by {found.version}")
    for extra in ("", *wanted.extras):
        if (wanted.name, extra) in seen:
            continue
        seen.add((wanted.name, extra))
        for needed in map(Requirement, found.requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                wrong += lacking(needed, seen)
    return wrong


def test_every_package_finds_what_it_needs_at_a_version_it_accepts() -> None:
    extras = ",".join(distribution("driftpin").metadata.get_all("Provides-Extra") or ())
    seen: set[tuple[str, str]] = set()

    wrong = lacking(Requirement(f"driftpin[{extras}]"), seen)

    assert not wrong, wrong
    assert ("google-genai", "") in seen  # Far enough down to have met the extra of a dependency.


def test_what_is_not_installed_is_told() -> None:
    assert lacking(Requirement("no-such-package-at-all"), set()) == [
        "no-such-package-at-all is not installed"
    ]
    assert "is not met by" in lacking(Requirement("pytest<1"), set())[0]
