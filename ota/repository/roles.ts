// The roles of a repository's metadata: who signs what, and for how long it holds.
// Pure.
import { boardNames } from "../../image/boards.ts";

const dayMs = 86_400_000;
/** Long enough for homes: a neighborhood that is offline for weeks still updates. At half of it `hamlet ota status` warns. */
const periodsMs = { root: 365 * dayMs, targets: 365 * dayMs, snapshot: 30 * dayMs, timestamp: 14 * dayMs } as const;
const boardPeriodMs = 90 * dayMs;

/** Roles of TUF's own; every other role is the one of a board and has its name. */
export const topRoles = ["root", "targets", "snapshot", "timestamp"] as const;
export type TopRole = (typeof topRoles)[number];

export const isTopRole = (role: string): role is TopRole => (topRoles as readonly string[]).includes(role);

export const periodMs = (role: string): number => (isTopRole(role) ? periodsMs[role] : boardPeriodMs);

/** Two of three, so that one that is lost or stolen neither ends the repository nor owns its devices. */
export const rootKeys = ["root-1", "root-2", "root-3"] as const;
export const rootThreshold = 2;

/** The names of all keys of a new repository, as in their files. */
export const allKeys = (): string[] => [...rootKeys, "targets", ...boardNames, "snapshot", "timestamp"];

/** The names of the keys that sign for a role. */
export const keysOf = (role: string): readonly string[] => (role === "root" ? rootKeys : [role]);
