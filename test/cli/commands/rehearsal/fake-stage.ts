// A stage whose devices keep their slots: each takes a release, restarts, tries it and tells how it went, as a device does.

import type { UpdateStatus } from "../../../../agent/api/schema.ts";
import type { OpenStage } from "../../../../cli/commands/rollout/rehearsal/stage.ts";
import { HamletError } from "../../../../system/error.ts";

type Slots = { running: string; earlier?: string };
type Step = "idle" | "writing" | "verifying" | "restarting" | "silent" | "trying" | "returning" | "off";
type FakeDevice = Slots & {
  id: string;
  step: Step;
  sinceMs: number;
  target?: string;
  failed: string[];
  last?: UpdateStatus["last"];
};
export type FakeTerms = {
  devices?: string[];
  from: string;
  release: string;
  /** The check that fails in each trial of the release. */
  failing?: string;
  /** Devices lose their identity when their power is cut. */
  forgetsOnCut?: boolean;
  /** After its restart a device is never heard again. */
  hangs?: boolean;
  /** The machine ends when a device has written so long. */
  breaksAfterMs?: number;
  /** Throws what stops the rehearsal. */
  onPause?: (nowMs: number) => void;
};
const lasts: Partial<Record<Step, number>> = {
  writing: 20_000,
  verifying: 5_000,
  restarting: 2_000,
  silent: 30_000,
  trying: 20_000,
  returning: 30_000,
};

export type FakeStage = OpenStage & { log: string[]; isClosed(): boolean; device(name: string): FakeDevice };

export function fakeStage(terms: FakeTerms): FakeStage {
  let nowMs = 0;
  let isClosed = false;
  const log: string[] = [];
  const names = terms.devices ?? ["attic", "cellar", "kitchen"];
  const devices = new Map<string, FakeDevice>(
    names.map((name) => [name, { id: name, running: terms.from, step: "idle", sinceMs: 0, failed: [] }]),
  );
  const device = (name: string) => devices.get(name)!;
  const go = (one: FakeDevice, step: Step) => Object.assign(one, { step, sinceMs: nowMs });
  const end = (one: FakeDevice, outcome: "committed" | "failed" | "void" | "left", check?: string) => {
    one.last = {
      atMs: nowMs,
      from: terms.from,
      to: terms.release,
      outcome,
      ...(check && { check, message: "it failed" }),
    };
    go(one, "idle");
  };
  const back = (one: FakeDevice) => {
    const { earlier = "", running } = one;
    one.running = earlier;
    one.failed.push(running);
    delete one.earlier;
  };
  const advance = (one: FakeDevice) => {
    if (one.step === "idle" || one.step === "off" || nowMs - one.sinceMs < lasts[one.step]!) return;
    switch (one.step) {
      case "writing":
        return go(one, "verifying");
      case "verifying":
        return go(one, "restarting");
      case "restarting":
        return go(one, "silent");
      case "silent":
        if (terms.hangs) return;
        [one.earlier, one.running] = [one.running, one.target!];
        return go(one, "trying");
      case "trying":
        if (terms.failing === undefined) return end(one, "committed");
        back(one);
        return end(one, "failed", terms.failing);
      case "returning":
        back(one);
        return end(one, "left");
    }
  };
  return {
    devices: names,
    log,
    device,
    isClosed: () => isClosed,
    async report(name) {
      const one = device(name);
      if (one.step === "writing" && nowMs - one.sinceMs >= (terms.breaksAfterMs ?? Number.POSITIVE_INFINITY))
        throw new HamletError("lab.bootFailed", `${name}'s machine ended: exit code 1`);
      if (["silent", "returning", "off"].includes(one.step)) return undefined;
      return { id: one.id, update: statusOf(one, terms.release, nowMs) };
    },
    async ask(name, kind) {
      const one = device(name);
      log.push(`${name} ${kind}`);
      if (["silent", "returning", "off"].includes(one.step)) throw new HamletError("device.noAnswer", "no answer");
      if (one.step !== "idle") return;
      if (kind === "back") return void (one.earlier && go(one, "returning"));
      if (kind === "retry") one.failed = [];
      if (one.running === terms.release || one.failed.includes(terms.release)) return;
      one.target = terms.release;
      go(one, "writing");
    },
    async trouble() {
      const away = [...devices].find(([, { step }]) => step !== "idle");
      return away && `${away[0]} is away`;
    },
    setLine: async (name, { kbit }) => void log.push(`${name} has ${kbit} kbit/s`),
    heal: async (name) => void log.push(`${name} is healed`),
    async cut(name, seed) {
      log.push(`${name} is cut while ${device(name).step}, seed ${seed}`);
      go(device(name), "off");
    },
    async restore(name) {
      const one = device(name);
      if (terms.forgetsOnCut) one.id = `${name}-again`;
      // A trial that was cut off is void, and the old slot runs.
      const wasTrying = one.running === terms.release && one.last?.outcome !== "committed";
      if (wasTrying) {
        one.running = terms.from;
        delete one.earlier;
        end(one, "void");
      }
      go(one, "idle");
    },
    lastLines: async () => ["hamlet-agent: no mesh"],
    now: () => nowMs,
    async pause(ms) {
      nowMs += ms;
      terms.onPause?.(nowMs);
      for (const one of devices.values()) advance(one);
    },
    async close() {
      isClosed = true;
    },
  };
}

function statusOf(
  { running, earlier, failed, last, step, sinceMs }: FakeDevice,
  version: string,
  nowMs: number,
): UpdateStatus {
  return {
    ...{ v: 1, running: { slot: "a", version: running }, failed, activity: activityOf(step, version, nowMs - sinceMs) },
    ...(earlier !== undefined && { earlier }),
    ...(last && { last }),
  };
}

function activityOf(step: Step, version: string, doneMs: number): UpdateStatus["activity"] {
  switch (step) {
    case "writing":
      return {
        phase: "writing",
        version,
        part: "root",
        doneBytes: doneMs,
        totalBytes: 20_000,
        fetchedBytes: 0,
        forecastBytes: 0,
      };
    case "verifying":
      return { phase: "verifying", version, doneBytes: doneMs, totalBytes: 5_000 };
    case "restarting":
      return { phase: "restarting", version };
    case "trying":
      return { phase: "trying", version, leftS: 100, waitsFor: [] };
    default:
      return { phase: "idle" };
  }
}
