// Members of one home with the real shell around leases: a network that loses nothing, disks in memory, and time that a test moves on.
import { vi } from "vitest";
import { type LeaseOffice, startLeases } from "../../../../agent/cluster/leases/leases.ts";
import type { Kept } from "../../../../agent/cluster/leases/state.ts";
import type { State } from "../../../../agent/cluster/news.ts";
import { silentLog } from "../../../../system/log.ts";
import { idOf } from "../../../sim/ink.ts";

export type Room = {
  id: string;
  office: LeaseOffice;
  disk: { kept?: Kept; saves: number; isFull: boolean };
  isUp: boolean;
};

/** Fake timers must be on. */
export async function makeHome(size: number) {
  const ids = Array.from({ length: size }, (_, index) => idOf(index));
  const rooms = new Map<string, Room>();
  const cut = new Set<string>();
  const alive = (): Map<string, State> =>
    new Map(ids.map((id) => [id, rooms.get(id)?.isUp && !cut.has(id) ? "alive" : "dead"]));

  async function start(id: string): Promise<Room> {
    const disk: Room["disk"] = rooms.get(id)?.disk ?? { saves: 0, isFull: false };
    const office = await startLeases({
      self: id,
      store: {
        load: async () => ({ ...(disk.kept && { kept: disk.kept }) }),
        async save(kept) {
          if (disk.isFull) throw new Error("disk full");
          disk.kept = kept;
          disk.saves++;
        },
      },
      clock: { now: Date.now, monotonic: () => performance.now() },
      sinceBootMs: () => performance.now(),
      log: silentLog,
      send(to, text) {
        const there = rooms.get(to);
        if (there?.isUp && !cut.has(id) && !cut.has(to)) setTimeout(() => there.office.hear(id, Buffer.from(text)), 2);
      },
      members: () => ids.filter((other) => other !== id),
    });
    const room = { id, office, disk, isUp: true };
    rooms.set(id, room);
    return room;
  }
  const tell = () => {
    for (const { office, isUp } of rooms.values()) if (isUp) office.livenessChanged(alive());
  };
  for (const id of ids) await start(id);
  tell();
  return {
    rooms: ids.map((id) => rooms.get(id)!),
    room: (index: number) => rooms.get(ids[index]!)!,
    async stop(index: number) {
      const room = rooms.get(ids[index]!)!;
      room.isUp = false;
      await room.office.stop();
      tell();
    },
    async restart(index: number) {
      await start(ids[index]!);
      tell();
    },
    cut(...indexes: number[]) {
      for (const index of indexes) cut.add(ids[index]!);
      tell();
    },
    cutNone() {
      cut.clear();
      tell();
    },
    run: (ms: number) => vi.advanceTimersByTimeAsync(ms),
    async [Symbol.asyncDispose]() {
      for (const { office } of rooms.values()) await office.stop();
    },
  };
}
