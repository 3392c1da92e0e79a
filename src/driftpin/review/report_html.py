"""The report as one page that needs nothing from anywhere: no script, no image, no link out."""

from collections.abc import Iterator
from html import escape
from typing import Final

from driftpin.context.hidden_text import visible
from driftpin.review.finding import Finding
from driftpin.review.report import Placed, RoundReport, counts_by_severity

_STYLE: Final = """\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{background:#f3f3f3;color:#111;padding:.6rem;overflow:auto}
table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2rem .5rem;text-align:left}
article{border-left:.3rem solid #999;padding-left:1rem;margin:1.5rem 0}
dt{font-weight:bold}"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def report_to_html(report: RoundReport) -> str:
    """Return the page."""
    summary = report.summary
    title = f"{summary.verdict.value}: round {summary.number} of {report.inputs.target}"
    body = "\n".join(_body(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1>\n{body}\n</body></html>\n"
    )


def _text(text: str) -> str:
    return escape(visible(text), quote=True)


def _body(report: RoundReport) -> Iterator[str]:
    summary, inputs = report.summary, report.inputs
    counts = counts_by_severity(report.live)
    told = ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
    where = f"{inputs.range_text}, {inputs.head[:12]}"
    yield f"<p>Open: {_text(told)}. Range {_text(where)}.</p>"
    cost = "" if report.cost is None else f" Cost {report.cost.text}."
    dirty = f", dirty since {_text(inputs.dirty_since)}" if inputs.dirty_since else ""
    context = f"<code>{_text(inputs.snapshot)}</code>{dirty}"
    yield f"<p>Context {context}. Tokens {summary.tokens}.{cost}</p>"
    yield from (f"<p>Not complete: {_text(gap)}</p>" for gap in report.decided.gaps.texts)
    yield from (f"<p>Grouping: {_text(note)}</p>" for note in report.decided.grouping)
    yield from (_article(each) for each in report.live)
    yield "<h2>All findings</h2>"
    rows = "".join(_row(each.finding) for each in report.findings)
    heads = "".join(f"<th>{name}</th>" for name in ("id", "severity", "state", "place", "finding"))
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    yield "<h2>Rounds</h2>"
    yield "<ol>"
    for each in report.rounds:
        new, verified = ", ".join(each.new) or "none", ", ".join(each.verified) or "none"
        yield (
            f"<li>{each.verdict.value}, panel {len(each.panel)}, new {_text(new)},"
            f" verified {_text(verified)}, deferred {each.deferred}</li>"
        )
    yield "</ol>"


def _row(finding: Finding) -> str:
    cells = (
        finding.id,
        finding.severity.value,
        finding.state.value,
        finding.place.text,
        finding.statement,
    )
    return "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"


def _article(placed: Placed) -> str:
    finding = placed.finding
    voices = ", ".join(f"{each.role} {each.severity.value}" for each in finding.voices)
    reasons = (
        ("Evidence", finding.evidence),
        ("Trigger", finding.trigger),
        ("Outcome", finding.outcome),
        ("Fix", finding.fix),
        ("Proof", finding.proof),
        ("State", f"{finding.state.value} {finding.why}"),
        ("Raised", f"by {finding.raised_by} of {finding.asked}: {voices}"),
    )
    told = "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in reasons if text)
    return (
        f'<article id="{_text(finding.id)}"><h3>{finding.severity.value} {_text(finding.id)} '
        f"{_text(finding.statement)}</h3><p><code>{_text(finding.place.text)}</code></p>"
        f"<pre>{_text(finding.quote)}</pre><dl>{told}</dl></article>"
    )


__all__ = ["report_to_html"]
