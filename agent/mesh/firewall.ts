// Puts the table `hamlet` into the kernel, all parts in one transaction, and restores it when something removes it.
// The table stands before any socket opens, and stays when the agent ends.
import { every } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Journal } from "../kernel/journal.ts";
import { chainName, type Part, tableText } from "./table.ts";

export type FirewallOptions = { run: Run; log: Log; journal: Pick<Journal, "recordMade">; everyMs?: number };
export type Firewall = {
  /** Adds a part or replaces its owner's earlier one. Throws `guard.failed`, and the table is as it was. */
  set(part: Part): Promise<void>;
  remove(owner: string): Promise<void>;
  /** Ends the watch; the table stays. */
  stop(): void;
};

/** Throws `guard.failed`: without these parts no socket may be opened. */
export async function startFirewall(
  { run, log, journal, everyMs = 10_000 }: FirewallOptions,
  parts: readonly Part[],
): Promise<Firewall> {
  await journal.recordMade("firewall", { kind: "table", key: "inet hamlet" }, log);
  await apply(run, parts);
  let applied = parts;
  // One at a time, so that a restore never overwrites a newer part.
  const inTurn = makeQueue();
  const change = (next: (now: readonly Part[]) => Part[]) =>
    inTurn(async () => {
      const changed = next(applied);
      await apply(run, changed);
      applied = changed;
    });
  // Reloading another firewall (`nft flush ruleset`) removes every table, ours too.
  const watch = () =>
    inTurn(async () => {
      if (await isComplete(run, applied)) return;
      await apply(run, applied);
      log.warn("restored the table hamlet, which something had removed (does a firewall service flush all tables?)");
    });
  const watching = every(everyMs, watch, (error) => log.error(describeError(error)));
  return {
    set: (part) => change((now) => [...now.filter(({ owner }) => owner !== part.owner), part]),
    remove: (owner) => change((now) => now.filter((part) => part.owner !== owner)),
    stop: () => watching.stop(),
  };
}

/** Whether every chain of every part stands: false also when the table cannot be read. */
export const isComplete = (run: Run, parts: readonly Part[]): Promise<boolean> =>
  run(["nft", "list", "table", "inet", "hamlet"]).then(
    (table) =>
      parts.every(({ owner, chains }) =>
        chains.every(({ name }) => table.includes(`chain ${chainName(owner, name)} {`)),
      ),
    () => false,
  );

async function apply(run: Run, parts: readonly Part[]): Promise<void> {
  const input = tableText(parts);
  try {
    await run(["nft", "-f", "-"], { input });
  } catch (cause) {
    const message = `cannot set the packet filter that guards the mesh: ${describeError(cause)}`;
    throw new HamletError("guard.failed", message, { hint: hintFor(cause), cause });
  }
}

function hintFor(cause: unknown): string {
  if (cause instanceof HamletError && cause.code === "command.missing") return "install nftables: apt install nftables";
  return /not permitted|must be root/i.test(describeError(cause))
    ? "the agent needs CAP_NET_ADMIN as an ambient capability (see its systemd unit)"
    : "the kernel needs nf_tables with the inet family (modules nf_tables, nf_tables_inet, nft_reject_inet, nft_counter)";
}
