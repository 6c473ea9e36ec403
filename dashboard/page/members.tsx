// The table of members: name, state and tunnel. On a phone each row becomes a card.
import type { ComponentChildren } from "preact";
import type { MemberStatus } from "../../agent/api/schema.ts";
import { shownState } from "../rollout-words.ts";
import { bytes, duration, milliseconds } from "../words.ts";
import { Scroll, StateMark } from "./parts.tsx";

export const Members = ({ members }: { members: MemberStatus[] }) => (
  <Scroll label="Members and their tunnels">
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">State</th>
          <th scope="col">Handshake</th>
          <th scope="col">Round trip</th>
          <th scope="col">Received</th>
          <th scope="col">Sent</th>
          <th scope="col">Endpoint</th>
          <th scope="col">System</th>
        </tr>
      </thead>
      <tbody>
        {[...members].sort(byName).map((member) => (
          <tr key={member.id}>
            <th scope="row">
              {member.name}
              {member.isSelf && <span class="meta"> this device</span>}
              <code class="address">{member.address}</code>
            </th>
            <Cell label="State">
              <StateMark state={shownState(member)} />
            </Cell>
            <Cell label="Handshake">
              {member.isSelf
                ? ""
                : member.handshakeAgeS === undefined
                  ? "never"
                  : `${duration(member.handshakeAgeS)} ago`}
            </Cell>
            <Cell label="Round trip">{milliseconds(member.rttMs)}</Cell>
            <Cell label="Received">{bytes(member.rxBytes)}</Cell>
            <Cell label="Sent">{bytes(member.txBytes)}</Cell>
            <Cell label="Endpoint">{member.endpoint && <code>{member.endpoint}</code>}</Cell>
            <Cell label="System">
              {member.board} {member.release}
            </Cell>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
);

/** An empty cell shows a dash in a table and nothing in a card. */
export const Cell = ({ label, children }: { label: string; children?: ComponentChildren }) => {
  const isEmpty = children === undefined || children === "" || children === null;
  return (
    <td data-label={label} class={isEmpty ? "empty" : undefined}>
      {isEmpty ? <span aria-hidden="true">–</span> : children}
    </td>
  );
};

export const byName = (a: MemberStatus, b: MemberStatus): number =>
  Number(b.isSelf) - Number(a.isSelf) || a.name.localeCompare(b.name);
