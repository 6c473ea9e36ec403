// Preloaded into an agent that runs from source: it asks for leases when a test says so, and its clock goes ahead. `ask` and `later`,
// written into the folder that HAMLET_TEST_LEASES names, are read and removed; the answers go to the output, and so do the leases that
// this agent grants as a voter.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import type { LeaseOffice, LeasesOptions } from "../../agent/cluster/leases/leases.ts";
import { decodeLeaseMessage } from "../../agent/cluster/leases/messages.ts";

const folder = process.env["HAMLET_TEST_LEASES"]!;
let laterMs = 0;

/** Called by the agent's own module, as changed below. */
export function overhear(start: (o: LeasesOptions) => Promise<LeaseOffice>) {
  return async (o: LeasesOptions): Promise<LeaseOffice> => {
    const send = (to: string, text: string) => {
      if (decodeLeaseMessage(Buffer.from(text))?.type === "grant") console.log(`lease granted to ${to}`);
      o.send(to, text);
    };
    const leases = await start({ ...o, send, sinceBootMs: () => o.sinceBootMs() + laterMs });
    const look = () => {
      laterMs += Number(take("later") ?? 0);
      const number = take("ask");
      if (number === undefined) return;
      const onLost = () => console.log(`lease ${number} lost`);
      leases.ask("restart", onLost).then((outcome) => console.log(`lease ${number} ${JSON.stringify(outcome)}`));
    };
    setInterval(look, 100).unref();
    return leases;
  };
}

function take(name: string): string | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, "utf8");
  rmSync(path);
  return text;
}

const declaration = "export async function startLeases(";
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith("/agent/cluster/leases/leases.ts")) return loaded;
    const source = String(loaded.source);
    if (!source.includes(declaration))
      throw new Error("leases.ts no longer declares startLeases so that it can be overheard");
    const changed = source.replace(declaration, "async function startUnheard(");
    const more = `import { overhear } from ${JSON.stringify(import.meta.url)};\nexport const startLeases = overhear(startUnheard);\n`;
    return { ...loaded, source: `${changed}\n${more}` };
  },
});
