"""One message to many clients of one process: the CPU time of each delivery."""

from collections.abc import Sequence

from ..cpu import Workbench, line
from ..measuring import Line, Plan, Requirement, at_most, of_bare, of_bare_at_most
from ..peers import Peer

SIZES = (10, 100, 1_000, 5_000, 10_000)


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds of CPU per delivery."""
    sizes = SIZES[:3] if plan.quick else SIZES
    lines = [fan_out(members, "small", plan) for members in sizes]
    if not plan.quick:
        lines.append(flat(lines[0], lines[-1]))
    lines.append(fan_out(1_000, "20 kB", plan))
    bench = Workbench("send to addresses", ("ours", "bare"), {"members": 1_000})
    label = "send_json to 1,000 known addresses, per delivery"
    lines.append(line(label, bench, plan, (of_bare_at_most(3),)))
    bench = Workbench("observer", ("ours", "raw", "dcrf"), {"members": 1_000})
    label = "@observer with a handler, 1,000 members, per delivery"
    lines.append(line(label, bench, plan, (at_most(25, "µs"),)))
    return lines


def fan_out(members: int, payload: str, plan: Plan) -> Line:
    """Measure one size of a group. Raw Channels takes minutes for a large one."""
    with_raw = members <= (100 if plan.quick else 1_000) and payload == "small"
    names = ("ours", "bare", "raw") if with_raw else ("ours", "bare")
    bench = Workbench("fan-out", names, {"members": members, "payload": payload})
    label = f"fan-out, {members:,} members, {payload}, per delivery"
    return line(label, bench, plan, (of_bare(0.25),) if members > 10 else ())


def flat(few: Line, many: Line) -> Line:
    """Return how the CPU time of a delivery grows from the smallest to the largest group."""
    growth = {name: many.values[name] / few.values[name] for name in many.values}

    def is_flat(line: Line) -> bool | None:
        return line.values["ours"] <= 1.0 if "ours" in line.values else None

    label = f"{many.case}: times that of {SIZES[0]} members"
    return Line(label, "×", growth, (Requirement("≤ 1× (flat)", is_flat),))
