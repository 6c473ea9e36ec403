// The status of this device: the full one for its owner and the mesh, and the public one for strangers on the link.
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import { adoptionCodeOf } from "../../provisioning/trust/adoption-code.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import type { Phase } from "../phase.ts";
import type { PublicStatus, Status, UpdateStatus } from "./schema.ts";

export type StatusSource = { status(): Promise<Status>; publicStatus(): PublicStatus };
export type OwnStatusOptions = {
  deviceKey: string;
  board: string;
  release: string;
  /** The name of a device that has no identity. */
  fallbackName: string;
  phase(): Phase;
  internalDisk: Status["internalDisk"];
  update(): UpdateReport | undefined;
  warnings(): Status["warnings"];
  /** The subset that strangers may see. */
  publicWarnings(): Status["warnings"];
  uptimeS(): number;
};

export function makeOwnStatus(options: OwnStatusOptions): StatusSource {
  const { deviceKey, board, release, fallbackName, phase, internalDisk, uptimeS } = options;
  const code = adoptionCodeOf(deviceKey);
  const nameIn = (now: Phase) => (now.phase === "unprovisioned" ? fallbackName : now.identity.name);
  return {
    async status() {
      const report = await lifeIn(phase())?.report();
      const now = phase();
      const update = options.update();
      return {
        v: 1,
        phase: now.phase,
        ...(now.phase !== "unprovisioned" && {
          neighborhood: { id: now.identity.neighborhood.id, name: now.identity.neighborhoodName },
        }),
        self: {
          ...{ id: deviceIdOf(deviceKey), name: nameIn(now), board, release, code, deviceKey, uptimeS: uptimeS() },
          ...(now.phase !== "unprovisioned" && { address: now.identity.address }),
        },
        ...{ members: [], pending: [], neighbors: [], tuning: [] },
        ...(internalDisk && { internalDisk }),
        ...(update && { update: updateStatusOf(update) }),
        ...report,
        warnings: options.warnings(),
      };
    },
    publicStatus() {
      const now = phase();
      const open = options.publicWarnings().map(({ since: _, ...warning }) => warning);
      return { v: 1, phase: now.phase, name: nameIn(now), board, release, code, deviceKey, warnings: open };
    },
  };
}

/** What the status shows of the updater's report. */
export function updateStatusOf({ history: [last], fallback, ...report }: UpdateReport): UpdateStatus {
  const { log: _, ...end } = fallback ?? {};
  return { ...report, ...(last && { last }), ...(fallback && { fallback: end as typeof last & object }) };
}

const lifeIn = (now: Phase) => (now.phase === "unprovisioned" ? undefined : now.life);
