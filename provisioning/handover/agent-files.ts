// The files in the agent's folder. Those that root reads or writes too have their schema and functions in a file of this folder.
// Pure.
import { join } from "node:path";

export const agentFilesIn = (folder: string) => ({
  /** The agent's own keys and what it was provisioned with (identity.ts). */
  identity: join(folder, "identity.json"),
  /** What of the agent's own record changes over time (standing.ts). */
  standing: join(folder, "standing.json"),
  /** Whom the agent knows; root only looks whether it is there. */
  roster: join(folder, "roster.json"),
  /** Who is out; the agent's alone. */
  revocations: join(folder, "revocations.json"),
  /** Whom the root has adopted; the agent's alone. */
  adoptions: join(folder, "adoptions.json"),
  /** Whom the root has turned away for a day; the agent's alone. */
  rejections: join(folder, "rejections.json"),
  /** What operators have signed; the agent's alone. */
  orders: join(folder, "orders.json"),
  /** How rollouts went for it and the others, and its own update under way; the agent's alone. */
  rollouts: join(folder, "rollouts.json"),
  /** The voters it knows, and what it has granted as one; the agent's alone. */
  leases: join(folder, "leases.json"),
  /** What waits at its broker for programs that are away; the agent's alone. */
  sessions: join(folder, "broker-sessions.json"),
  /** From root: what to make an identity of (provision.ts). */
  provision: join(folder, "provision.json"),
  /** From root: what it could not do (problems.ts). */
  problems: join(folder, "firstboot.json"),
  /** From root: which board this is (board.ts). */
  boardFacts: join(folder, "board.json"),
});

/** Of a reset over the link (asked-reset.ts): what the agent wants, in its own folder, and root's answer. Gone after a restart. */
export const resetFilesFor = (runtimeFolder: string, root = "/") => ({
  wish: join(runtimeFolder, "reset.json"),
  answer: join(root, "run/hamlet-reset/answer.json"),
});
