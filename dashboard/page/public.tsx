// The public page, for strangers on the link: this device alone, and its adoption code.
import type { PublicStatus } from "../../agent/api/schema.ts";
import type { News } from "./live.ts";
import { Facts, LinkMark, Section, WarningList } from "./parts.tsx";

const phases: Record<PublicStatus["phase"], string> = {
  unprovisioned: "This device belongs to no neighborhood yet.",
  pending: "This device has asked to join a neighborhood and waits for its owner.",
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
        <p class="hint">It identifies this device's key: the same code always means the same device.</p>
      </Section>
      <Section title="Warnings" id="warnings">
        <WarningList warnings={status.warnings} />
      </Section>
      <p class="foot">
        To see the members, their links and metrics, open this page inside the mesh or, as the owner, run{" "}
        <code>hamlet open --neighborhood &lt;folder&gt; --device {status.name}.local</code>.
      </p>
    </main>
  );
}
