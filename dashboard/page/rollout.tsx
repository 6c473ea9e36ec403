// The rollout: how far it is, who is next, and on what each device waits.
import type { MemberStatus } from "../../agent/api/schema.ts";
import type { RolloutStatus } from "../../ota/rollout/report.ts";
import { headline, hoursText, memberText, namesFrom, nextSteps, waveName } from "../rollout-words.ts";
import { Cell } from "./members.tsx";
import { Scroll, Section } from "./parts.tsx";

export function Rollout({ rollout, members, now }: { rollout: RolloutStatus; members: MemberStatus[]; now: number }) {
  const nameOf = namesFrom(members);
  return (
    <Section title="Rollout" id="rollout">
      <p role="status">{headline(rollout, nameOf, now)}</p>
      {hoursText(rollout) !== undefined && <p>{hoursText(rollout)}</p>}
      {rollout.state !== "aborted" && (
        <progress aria-label="Rollout" value={rollout.updated} max={rollout.total || 1} />
      )}
      {rollout.members.length > 0 && (
        <Scroll label="Devices of the rollout">
          <table class="cards">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Wave</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {rollout.members.map((member) => (
                <tr key={member.id}>
                  <th scope="row">{nameOf(member.id)}</th>
                  <Cell label="Wave">{member.wave === undefined ? "" : waveName(rollout.waves[member.wave]!)}</Cell>
                  <Cell label="State">{memberText(member, nameOf, now)}</Cell>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {nextSteps(rollout, nameOf).map((step) => (
        <p key={step}>{step}</p>
      ))}
      {rollout.later.map(({ rollout: id, release }) => (
        <p key={id}>{release} waits until this one is done or aborted.</p>
      ))}
    </Section>
  );
}
