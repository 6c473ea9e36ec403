// What a stranger on the link may see: this one device, and the code by which its owner knows it.
import type { PublicStatus } from "../../agent/api/schema.ts";
import type { News } from "./live.ts";
import { Facts, LinkMark, Section, WarningList } from "./parts.tsx";

const phases: Record<PublicStatus["phase"], string> = {
  unprovisioned: "This device belongs to no neighborhood yet.",
  pending: "This device asks to join a neighborhood and waits for its owner.",
  member: "This device is a member of a neighborhood.",
};

export function PublicPage({ status, news }: { status: PublicStatus; news: News }) {
  return (
    <main class="narrow">
      <header>
        <div>
          <p class="over">Hamlet</p>
          <h1>{status.name}</h1>
        </div>
        <LinkMark news={news} />
      </header>
      <p class="lead">{phases[status.phase]}</p>
      <Facts facts={{ Board: status.board, Release: status.release }} />
      <Section title="Adoption code" id="code">
        <p class="code">
          <code>{status.code}</code>
        </p>
        <p class="hint">It names this device's key: the same code always means the same device.</p>
      </Section>
      <Section title="Warnings" id="warnings">
        <WarningList warnings={status.warnings} />
      </Section>
      <p class="foot">
        The members, their links and their metrics are shown inside the mesh and by <code>hamlet open</code>.
      </p>
    </main>
  );
}
