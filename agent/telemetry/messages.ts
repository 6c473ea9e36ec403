// Builds this device's messages and cuts them to the broker's limits: a refused message ends the connection, and sending it
// again on every new connection would do so for ever.
// Pure.
import type { z } from "zod";
import {
  maxPayloadBytes,
  type StatePayload,
  type TopicName,
  topics,
  type UpdatePayload,
} from "../../ota/fleet/topics.ts";
import type { RolloutStatus } from "../../ota/rollout/report.ts";
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import type { Warning } from "../health/warnings.ts";

/** The payload of `topics[name]` as JSON; undefined if the broker would refuse it. */
export function encode<Name extends TopicName>(name: Name, payload: Payload<Name>): string | undefined {
  const json = JSON.stringify(payload);
  if (Buffer.byteLength(json) > maxPayloadBytes) return undefined;
  // Parsed again, because JSON turns NaN into null.
  return topics[name].payload.safeParse(JSON.parse(json)).success ? json : undefined;
}
type Payload<Name extends TopicName> = z.infer<(typeof topics)[Name]["payload"]>;

export type Described = { name(): string; board: string; release: string; address: string };

export const stateOf = ({ name, board, release, address }: Described, state: StatePayload["state"]): StatePayload => ({
  ...{ v: 1, state, name: name().slice(0, 253) },
  ...{ board: board.slice(0, 64), release: release.slice(0, 128), address },
});

/** As many of the newest warnings as fit in one message, oldest first. */
export function warningsOf(current: readonly Warning[]): Payload<"warnings"> {
  const warnings: Warning[] = [];
  let sizeBytes = '{"v":1,"warnings":[]}'.length;
  for (const { code, severity, message, hint, since, follows } of current.slice(-64).reverse()) {
    const words = { message: message.slice(0, 1024), hint: hint.slice(0, 1024) };
    const warning = { code, severity, ...words, since: Math.max(0, since), ...(follows && { follows }) };
    sizeBytes += Buffer.byteLength(JSON.stringify(warning)) + 1;
    if (sizeBytes > maxPayloadBytes) break;
    warnings.unshift(warning);
  }
  return { v: 1, warnings };
}

/** Without what changes every second, so that an update does not fill the broker. */
export function updateOf(
  { running, newest, activity, fallback }: UpdateReport,
  rollout?: UpdatePayload["rollout"],
): UpdatePayload {
  return {
    ...{ v: 1, installed: running.version, phase: activity.phase },
    ...(newest !== undefined && { newest }),
    ...("version" in activity && activity.version !== undefined && { target: activity.version }),
    ...("totalBytes" in activity && { percent: percentOf(activity) }),
    ...(activity.phase === "waiting" && { because: activity.because.code }),
    ...((fallback?.outcome === "failed" || fallback?.outcome === "void") && {
      fallback: { to: fallback.to, outcome: fallback.outcome, ...(fallback.check && { check: fallback.check }) },
    }),
    ...(rollout && { rollout }),
  };
}

/** What of the neighborhood's rollout matters to one device. */
export function rolloutOf(status: RolloutStatus, self: string): UpdatePayload["rollout"] {
  const { release, auto, state, nobody, updated, failed, total, members } = status;
  const own = members.find(({ id }) => id === self);
  const waits = own?.waits?.on ?? status.waits?.on;
  return {
    ...{ release, state, updated, failed, total },
    ...(auto && { auto: auto.publisher }),
    ...(nobody && { nobody }),
    ...(own && { standing: own.standing }),
    ...(waits !== undefined && { waits }),
  };
}

const percentOf = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number =>
  totalBytes === 0 ? 0 : Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
