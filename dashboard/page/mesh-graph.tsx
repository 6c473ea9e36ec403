// The mesh, drawn: a solid line for a fresh handshake, a broken one for an old handshake, a dotted one for a link that only one end
// reports.
import type { MemberStatus } from "../../agent/api/schema.ts";
import { count, milliseconds } from "../words.ts";
import { type MeshLink, meshLinks } from "./mesh-links.ts";

const [width, height] = [360, 280];
/** The labels of more links would overlap. */
const maxLabels = 12;

type Placed = { member: MemberStatus; x: number; y: number };
type Line = { link: MeshLink; from: Placed; to: Placed };

export function MeshGraph({ members }: { members: MemberStatus[] }) {
  const own = members.filter(({ isSelf }) => isSelf);
  const others = members.filter(({ isSelf }) => !isSelf).sort((a, b) => a.id.localeCompare(b.id));
  const placed = new Map(place(own, others).map((at) => [at.member.id, at]));
  const links = meshLinks(members);
  const lines = links.map((link): Line => {
    const [from, to] = link.ends.map((id) => placed.get(id)!) as [Placed, Placed];
    return { link, from, to };
  });
  const summary = summaryOf(links);
  return (
    <figure>
      <svg class="graph" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary}>
        {lines.map(({ link, from, to }) => (
          <line key={link.ends.join()} class={classOf(link)} x1={from.x} y1={from.y} x2={to.x} y2={to.y}>
            <title>{describe(link, from.member, to.member)}</title>
          </line>
        ))}
        {lines.length <= maxLabels &&
          lines.map(
            ({ link, from, to }) =>
              link.rttMs !== undefined && (
                <text key={link.ends.join()} class="rtt" x={(from.x + to.x) / 2} y={(from.y + to.y) / 2 + 4}>
                  {milliseconds(link.rttMs)}
                </text>
              ),
          )}
        {[...placed.values()].map(({ member, x, y }) => (
          <g key={member.id} class={`node ${member.state}${member.isSelf ? " self" : ""}`}>
            <circle cx={x} cy={y} r={member.isSelf ? 11 : 9} />
            <text x={x} y={y < height / 2 ? y - 18 : y + 28}>
              {member.name}
            </text>
          </g>
        ))}
      </svg>
      <figcaption>{others.length === 0 ? "No other member yet." : summary}</figcaption>
    </figure>
  );
}

const classOf = ({ isFresh, reportedBy }: MeshLink): string =>
  ["tunnel", ...(isFresh ? [] : ["stale"]), ...(reportedBy.length === 1 ? ["one-end"] : [])].join(" ");

function describe({ isFresh, reportedBy, rttMs, path }: MeshLink, one: MemberStatus, other: MemberStatus): string {
  const reporter = [one, other].find(({ id }) => id === reportedBy[0])?.name;
  return [
    `${one.name} – ${other.name}: ${isFresh ? "fresh handshake" : "no handshake for 3 minutes"}`,
    ...(rttMs === undefined ? [] : [milliseconds(rttMs)]),
    ...(path === undefined ? [] : [path]),
    ...(reportedBy.length === 1 ? [`only ${reporter} reports it`] : []),
  ].join(", ");
}

function summaryOf(links: MeshLink[]): string {
  const fresh = links.filter(({ isFresh }) => isFresh).length;
  const oneEnded = links.filter(({ reportedBy }) => reportedBy.length === 1).length;
  return (
    `${fresh} of ${count(links.length, "link")} ${fresh === 1 ? "has" : "have"} a handshake younger than 3 minutes.` +
    (oneEnded > 0 ? ` Dotted: only one end reports the link (${oneEnded}).` : "")
  );
}

/** Places the members on a ring with this device on top; with more than seven others, this device moves to the middle. */
function place(own: MemberStatus[], others: MemberStatus[]): Placed[] {
  const isCrowded = others.length > 7;
  const ring = isCrowded ? others : [...own, ...others];
  const angles = ring.map((_, index) => (2 * Math.PI * index) / ring.length - Math.PI / 2);
  const lowest = Math.max(...angles.map(Math.sin));
  const placed = ring.map((member, index) => {
    const [x, y] = [Math.cos(angles[index]!), Math.sin(angles[index]!)];
    // Stretch to the whole height: a ring of three ends well above the bottom.
    const down = lowest > -1 ? (y + 1) / (lowest + 1) : 0.5;
    return { member, x: width / 2 + x * 130, y: 46 + down * (height - 92) };
  });
  return isCrowded ? [...placed, ...own.map((member) => ({ member, x: width / 2, y: height / 2 }))] : placed;
}
