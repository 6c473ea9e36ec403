// The tunnels of this device, drawn: a solid line has a fresh handshake, a broken one has not.
import type { MemberStatus } from "../../agent/status.ts";
import { milliseconds } from "./words.ts";

/** WireGuard makes a new handshake every 2 minutes while there is traffic; after 3 a session ends (WireGuard paper, 6.1). */
const freshHandshakeS = 180;

export function MeshGraph({ self, members }: { self: string; members: MemberStatus[] }) {
  const others = members.filter(({ id }) => id !== self).sort((a, b) => a.id.localeCompare(b.id));
  const own = members.find(({ id }) => id === self);
  const [width, height] = [340, 260];
  const centre = { x: width / 2, y: height / 2 };
  const placed = others.map((member, index) => {
    const angle = (2 * Math.PI * index) / others.length - Math.PI / 2;
    return { member, x: centre.x + Math.cos(angle) * width * 0.36, y: centre.y + Math.sin(angle) * height * 0.36 };
  });
  const fresh = placed.filter(({ member }) => isFresh(member)).length;
  return (
    <figure>
      <svg
        class="graph"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${fresh} of ${others.length} tunnels have a fresh handshake`}
      >
        {placed.map(({ member, x, y }) => (
          <g key={member.id}>
            <line x1={centre.x} y1={centre.y} x2={x} y2={y} class={isFresh(member) ? "tunnel" : "tunnel stale"} />
            {member.rttMs !== undefined && (
              <text class="rtt" x={centre.x + (x - centre.x) * 0.55} y={centre.y + (y - centre.y) * 0.55 - 6}>
                {milliseconds(member.rttMs)}
              </text>
            )}
          </g>
        ))}
        {placed.map(({ member, x, y }) => (
          <Node key={member.id} member={member} x={x} y={y} />
        ))}
        {own && <Node member={own} x={centre.x} y={centre.y} />}
      </svg>
      <figcaption>
        {others.length === 0
          ? "No other member yet."
          : `${fresh} of ${others.length} tunnels have a handshake younger than 3 minutes.`}
      </figcaption>
    </figure>
  );
}

const Node = ({ member, x, y }: { member: MemberStatus; x: number; y: number }) => (
  <g class={`node ${member.state}${member.isSelf ? " self" : ""}`}>
    <circle cx={x} cy={y} r={member.isSelf ? 11 : 9} />
    <text x={x} y={y + 26}>
      {member.name}
    </text>
  </g>
);

const isFresh = ({ handshakeAgeS }: MemberStatus): boolean =>
  handshakeAgeS !== undefined && handshakeAgeS < freshHandshakeS;
