// The neighborhood as one of its members sees it.
import type { Status } from "../../agent/status.ts";
import type { News } from "./live.ts";
import { Members } from "./members.tsx";
import { MeshGraph } from "./mesh-graph.tsx";
import { MetricsTable } from "./metrics.tsx";
import { LinkMark, Section, WarningList } from "./parts.tsx";
import { count, duration } from "./words.ts";

export function FullPage({ status, news }: { status: Status; news: News }) {
  const { self, members, pending, warnings } = status;
  const alive = members.filter(({ state }) => state === "alive").length;
  const broker = members.find(({ id }) => id === status.broker);
  return (
    <main>
      <header>
        <div>
          <p class="over">Hamlet{status.neighborhood && ` · seen from ${self.name}`}</p>
          <h1>{status.neighborhood?.name ?? self.name}</h1>
        </div>
        <LinkMark news={news} />
      </header>
      <ul class="tiles" aria-label="Overview">
        <Tile
          value={`${alive} of ${members.length}`}
          what={members.length === 1 ? "member alive" : "members alive"}
          bad={alive < members.length}
        />
        <Tile
          value={String(warnings.length)}
          what={warnings.length === 1 ? "warning" : "warnings"}
          bad={warnings.length > 0}
        />
        <Tile value={String(pending.length)} what="waiting for adoption" bad={pending.length > 0} />
        <Tile value={broker?.name ?? "none"} what="carries telemetry" bad={!broker} />
      </ul>
      {warnings.length > 0 && (
        <Section title="Warnings" id="warnings">
          <WarningList warnings={warnings} now={news.at ?? 0} />
        </Section>
      )}
      <div class="beside">
        <Section title="Members" id="members">
          <Members members={members} />
        </Section>
        <Section title="Mesh" id="mesh">
          <MeshGraph self={self.id} members={members} />
        </Section>
      </div>
      <Section title="Metrics" id="metrics">
        <MetricsTable members={members} histories={news.histories} now={news.at ?? 0} />
      </Section>
      {pending.length > 0 && (
        <Section title="Waiting for adoption" id="pending">
          <ul class="plain">
            {pending.map(({ id, name, code, because }) => (
              <li key={id}>
                <b>{name}</b> <code>{code.match(/.{1,4}/g)?.join(" ")}</code> <span class="meta">{because}</span>
              </li>
            ))}
          </ul>
          <p class="hint">
            Compare the code with the one on the device's own page, then type <code>hamlet adopt</code>.
          </p>
        </Section>
      )}
      {warnings.length === 0 && (
        <Section title="Warnings" id="warnings">
          <WarningList warnings={warnings} />
        </Section>
      )}
      <p class="foot">
        {self.name}: {self.board}, release {self.release}, agent up {duration(self.uptimeS)},{" "}
        {count(status.neighbors.length, "neighbor")} on the link, {count(status.tuning.length, "kernel setting")} tuned.
        Adoption code <code>{self.code}</code>.
      </p>
    </main>
  );
}

const Tile = ({ value, what, bad }: { value: string; what: string; bad: boolean }) => (
  <li class={bad ? "tile bad" : "tile"}>
    <b>{value}</b> <span>{what}</span>
  </li>
);
