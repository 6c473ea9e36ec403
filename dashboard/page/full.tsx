// The full page: the neighborhood as one of its members sees it.
import type { Status } from "../../agent/api/schema.ts";
import { originsOf } from "../../agent/health/consequences.ts";
import { devicesAt, duration } from "../words.ts";
import { Install } from "./install.tsx";
import type { News } from "./live.ts";
import { Members } from "./members.tsx";
import { MeshGraph } from "./mesh-graph.tsx";
import { MetricsTable } from "./metrics.tsx";
import { Facts, LinkMark, Section, WarningList } from "./parts.tsx";
import { Pending, waitingIn } from "./pending.tsx";
import { Rename } from "./rename.tsx";
import { Rollout } from "./rollout.tsx";
import { Updates } from "./updates.tsx";

export function FullPage({ status, news }: { status: Status; news: News }) {
  const { self, members, warnings } = status;
  const waiting = waitingIn(status);
  const origins = originsOf(warnings);
  const alive = members.filter(({ state }) => state === "alive").length;
  const broker = members.find(({ id }) => id === status.broker);
  const now = news.at ?? 0;
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
          isBad={alive < members.length}
        />
        <Tile
          value={String(origins.length)}
          what={origins.length === 1 ? "warning" : "warnings"}
          isBad={origins.length > 0}
        />
        <Tile value={String(waiting.length)} what="waiting for adoption" isBad={waiting.length > 0} />
        <Tile value={broker?.name ?? "none"} what="runs the MQTT broker" isBad={!broker} />
      </ul>
      <div class="beside">
        <div>
          <Section title="Warnings" id="warnings">
            <WarningList warnings={warnings} now={now} />
          </Section>
          {status.internalDisk && <Install self={self} disk={status.internalDisk} />}
          {waiting.length > 0 && <Pending waiting={waiting} />}
          <Section title="This device" id="self">
            <Facts
              facts={{
                Name: self.name,
                Board: self.board,
                Release: self.release,
                "Agent up": duration(self.uptimeS),
                "Other devices on the link": String(devicesAt(status.neighbors)),
                "Kernel settings tuned": String(status.tuning.length),
                "Adoption code": <code>{self.code}</code>,
              }}
            />
            <Rename name={self.name} />
          </Section>
          {status.rollout && <Rollout rollout={status.rollout} members={status.members} now={now} />}
          {status.update && <Updates update={status.update} now={now} />}
        </div>
        <Section title="Mesh" id="mesh">
          <MeshGraph members={members} />
        </Section>
      </div>
      <Section title="Members" id="members">
        <Members members={members} />
      </Section>
      <Section title="Metrics" id="metrics">
        <MetricsTable members={members} histories={news.histories} now={now} />
      </Section>
    </main>
  );
}

const Tile = ({ value, what, isBad }: { value: string; what: string; isBad: boolean }) => (
  <li class={isBad ? "tile bad" : "tile"}>
    <b>{value}</b> <span>{what}</span>
  </li>
);
