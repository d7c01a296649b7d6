"""The figure of the report, as SVG written by hand."""

from figures import Ratio

ROW, BAR, LEFT, WIDTH, TOP, FOOT = 34, 11, 130, 760, 46, 40
SCALE = (WIDTH - LEFT - 60) / 1.6
COLOURS = {"clearway": "#0072b2", "haproxy": "#c9c9c9"}
TEXT = 'font-family="sans-serif" font-size="12" fill="#222"'


def chart(rows: list[tuple[str, dict[str, Ratio], float | None]]) -> str:
    """Bars for each scenario: CPU time as a share of nginx's, with its spread and the target."""
    height = TOP + ROW * len(rows) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>CPU time per unit of work, as a share of nginx's</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *legend(),
        *axis(height),
    ]
    for index, (name, ratios, target) in enumerate(rows):
        parts += row(TOP + ROW * index, name, ratios, target)
    return "\n".join([*parts, "</svg>", ""])


def place(value: float) -> float:
    return LEFT + min(value, 1.6) * SCALE


def legend() -> list[str]:
    return [
        f'<rect x="{LEFT}" y="10" width="12" height="12" fill="{COLOURS["clearway"]}"/>',
        f'<text x="{LEFT + 18}" y="20" {TEXT}>Clearway</text>',
        f'<rect x="{LEFT + 100}" y="10" width="12" height="12" fill="{COLOURS["haproxy"]}"/>',
        f'<text x="{LEFT + 118}" y="20" {TEXT}>HAProxy</text>',
        f'<path d="M{LEFT + 206} 8v16" stroke="#d55e00" stroke-width="3"/>',
        f'<text x="{LEFT + 216}" y="20" {TEXT}>target (Clearway at or left of it)</text>',
    ]


def axis(height: int) -> list[str]:
    parts = []
    for step in range(0, 17, 2):
        at, share = place(step / 10), step / 10
        colour, width = ("#222", 2) if step == 10 else ("#ddd", 1)
        end = height - FOOT
        parts.append(f'<path d="M{at:.1f} {TOP - 8}V{end}" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(f'<text x="{at:.1f}" y="{end + 16}" text-anchor="middle" {TEXT}>{share:.1f}</text>')
    spot = f'x="{place(1.0):.1f}" y="{height - 6}"'
    return [*parts, f'<text {spot} text-anchor="middle" {TEXT}>nginx = 1; less is better</text>']


def row(top: int, name: str, ratios: dict[str, Ratio], target: float | None) -> list[str]:
    parts = [f'<text x="{LEFT - 8}" y="{top + 16}" text-anchor="end" {TEXT}>{name}</text>']
    for index, (peer, ratio) in enumerate(ratios.items()):
        y = top + index * (BAR + 1)
        end, low, high = place(ratio.median), place(ratio.low), place(ratio.high)
        middle = y + BAR / 2
        parts += [
            f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{COLOURS[peer]}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222" stroke-width="1"/>',
            f'<text x="{max(high, end) + 5:.1f}" y="{y + 10}" {TEXT}>{ratio.median:.2f}</text>',
        ]
    if target is not None:
        parts.append(f'<path d="M{place(target):.1f} {top - 2}v{2 * BAR + 5}" stroke="#d55e00" stroke-width="3"/>')
    return parts
