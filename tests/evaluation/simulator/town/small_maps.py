"""OpenDRIVE texts of one road, or of two arms and a junction, with whatever a test puts in."""

from __future__ import annotations

_HEADER = '<header revMajor="1" revMinor="4" name="small"/>'
_WIDTH = '<width sOffset="0" a="{width}" b="0" c="0" d="0"/>'
_LANE = '<lane id="{id}" type="{kind}" level="false"><link>{link}</link>{width}{more}</lane>'
_CENTRE = '<center><lane id="0" type="none" level="false"/></center>'


def lane(lane_id: int, kind: str = "driving", link: str = "", more: str = "") -> str:
    width = _WIDTH.format(width=3.5 if kind == "driving" else 2.0)
    return _LANE.format(id=lane_id, kind=kind, link=link, width=width, more=more)


def linked(lane_id: int, before: int | None = None, after: int | None = None) -> str:
    """A driving lane with links to lanes before and after it along s."""
    link = "" if before is None else f'<predecessor id="{before}"/>'
    return lane(lane_id, link=link + ("" if after is None else f'<successor id="{after}"/>'))


def section(left: str = "", right: str = "", s: float = 0.0) -> str:
    return (
        f'<laneSection s="{s}">'
        + (f"<left>{left}</left>" if left else "")
        + _CENTRE
        + (f"<right>{right}</right>" if right else "")
        + "</laneSection>"
    )


def road(
    sections: str,
    road_id: object = 1,
    x_m: float = 0.0,
    length_m: float = 200.0,
    junction: int = -1,
    link: str = "",
    rule: str = "RHT",
    types: str = "",
    shape: str = "<line/>",
    more: str = "",
    offset: str = "",
) -> str:
    """A straight road along +x, or of one `shape`."""
    return (
        f'<road name="" length="{length_m}" id="{road_id}" junction="{junction}" rule="{rule}">'
        f"<link>{link}</link>{types}<planView>"
        f'<geometry s="0" x="{x_m}" y="0" hdg="0" length="{length_m}">{shape}</geometry>'
        f"</planView><lanes>{offset}{sections}</lanes>{more}</road>"
    )


def document(*parts: str) -> str:
    return f"<OpenDRIVE>{_HEADER}{''.join(parts)}</OpenDRIVE>"


def two_way(**options: object) -> str:
    """One road with a driving lane each way."""
    return document(road(section(lane(1), lane(-1)), **options))  # type: ignore[arg-type]


def signal(
    kind: str,
    s: float = 99.5,
    t: float = -4.5,
    orientation: str = "+",
    more: str = "",
    **other: str,
) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in other.items())
    return (
        f'<signal s="{s}" t="{t}" id="7" dynamic="yes" orientation="{orientation}" zOffset="0" '
        f'country="OpenDRIVE" type="{kind}" subtype="-1"{attributes}>{more}</signal>'
    )


def guarded_junction(rule: str = "RHT", signals: str = "") -> str:
    """Road 1 of 100 m, a junction of 20 m, and road 2 of 100 m, with two lanes each way; the
    traffic along +x has negative lane ids where it keeps right, positive ones elsewhere."""

    def side_of(ids: tuple[int, ...], is_linked: bool) -> str:
        return "".join(linked(n, n, n) if is_linked else linked(n) for n in ids)

    def lanes(is_linked: bool) -> str:
        return section(side_of((2, 1), is_linked), side_of((-1, -2), is_linked))

    forward, back = ((-1, -2), (1, 2)) if rule == "RHT" else ((1, 2), (-1, -2))

    def connection(number: int, incoming: int, contact: str, side: tuple[int, ...]) -> str:
        links = "".join(f'<laneLink from="{n}" to="{n}"/>' for n in side)
        return (
            f'<connection id="{number}" incomingRoad="{incoming}" connectingRoad="10" '
            f'contactPoint="{contact}">{links}</connection>'
        )

    to_junction = '<{} elementType="junction" elementId="100"/>'
    return document(
        road(
            lanes(False), 1, 0.0, 100.0, link=to_junction.format("successor"), rule=rule,
            more=f"<signals>{signals}</signals>",
        ),
        road(
            lanes(False), 2, 120.0, 100.0, link=to_junction.format("predecessor"), rule=rule
        ),
        road(
            lanes(True), 10, 100.0, 20.0, junction=100, rule=rule,
            link='<predecessor elementType="road" elementId="1" contactPoint="end"/>'
            '<successor elementType="road" elementId="2" contactPoint="start"/>',
        ),
        '<junction id="100" name="">'
        + connection(0, 1, "start", forward)
        + connection(1, 2, "end", back)
        + "</junction>",
    )  # fmt: skip
