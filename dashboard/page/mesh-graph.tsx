// The tunnels of this device, drawn: a solid line has a fresh handshake, a broken one has not.
import type { MemberStatus } from "../../agent/api/schema.ts";
import { milliseconds } from "../words.ts";

/** WireGuard renews a session every 2 minutes and ends it after 3 (its paper, 6.1). */
const freshHandshakeS = 180;
const [width, height] = [360, 280];

type Placed = { member: MemberStatus; x: number; y: number };

export function MeshGraph({ members }: { members: MemberStatus[] }) {
  const own = members.filter(({ isSelf }) => isSelf);
  const others = members.filter(({ isSelf }) => !isSelf).sort((a, b) => a.id.localeCompare(b.id));
  const placed = place(own, others);
  const self = placed.find(({ member }) => member.isSelf);
  const tunnels = self ? placed.filter(({ member }) => !member.isSelf) : [];
  const fresh = others.filter(isFresh).length;
  const summary = `${fresh} of ${others.length} tunnels from here have a handshake younger than 3 minutes.`;
  return (
    <figure>
      <svg class="graph" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary}>
        {self &&
          tunnels.map(({ member, x, y }) => (
            <line
              key={member.id}
              class={isFresh(member) ? "tunnel" : "tunnel stale"}
              x1={self.x}
              y1={self.y}
              x2={x}
              y2={y}
            />
          ))}
        {self &&
          tunnels.map(
            ({ member, x, y }) =>
              member.rttMs !== undefined && (
                <text key={member.id} class="rtt" x={(self.x + x) / 2} y={(self.y + y) / 2 + 4}>
                  {milliseconds(member.rttMs)}
                </text>
              ),
          )}
        {placed.map(({ member, x, y }) => (
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

/** On a ring with this device on top; in its middle once the others are too many for that. */
function place(own: MemberStatus[], others: MemberStatus[]): Placed[] {
  const isCrowded = others.length > 7;
  const ring = isCrowded ? others : [...own, ...others];
  const angles = ring.map((_, index) => (2 * Math.PI * index) / ring.length - Math.PI / 2);
  const lowest = Math.max(...angles.map(Math.sin));
  const placed = ring.map((member, index) => {
    const [x, y] = [Math.cos(angles[index]!), Math.sin(angles[index]!)];
    // Stretched to the whole height: a ring of three ends well above the bottom.
    const down = lowest > -1 ? (y + 1) / (lowest + 1) : 0.5;
    return { member, x: width / 2 + x * 130, y: 46 + down * (height - 92) };
  });
  return isCrowded ? [...placed, ...own.map((member) => ({ member, x: width / 2, y: height / 2 }))] : placed;
}

const isFresh = ({ handshakeAgeS }: MemberStatus): boolean =>
  handshakeAgeS !== undefined && handshakeAgeS < freshHandshakeS;
