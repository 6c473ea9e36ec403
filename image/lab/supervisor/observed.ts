// What the lab observed of each machine (power, console, its agent's answers), and the milestones it reached.
// Pure: the lab polls and passes findings in with their time.
import { z } from "zod";
import { Activity } from "../power/moment.ts";
import { type LabEvent, type Milestone, milestones } from "./status.ts";

/** The part of an agent's status that the lab reads. */
export const StatusGist = z.object({
  phase: z.string(),
  self: z.object({ id: z.string(), name: z.string(), release: z.string(), address: z.string().optional() }),
  members: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      state: z.string(),
      isSelf: z.boolean(),
      handshakeAgeS: z.number().optional(),
      metrics: z.object({}).optional(),
    }),
  ),
  neighbors: z.array(z.unknown()),
  // Absent in releases before 0.2, and until the updater has reported.
  update: z
    .object({ running: z.object({ slot: z.enum(["a", "b"]) }), activity: Activity.optional() })
    .optional()
    .catch(undefined),
});
export type StatusGist = z.infer<typeof StatusGist>;

export type Observed = {
  name: string;
  isOn: boolean;
  isPartitioned: boolean;
  /** The agent's last answer and its time; kept after a power cut, because id and address stay the same. */
  last?: { gist: StatusGist; atS: number };
  reached: Partial<Record<Milestone, number>>;
  problem?: string;
};
export type Finding =
  /** `isAwake`: it resumed from a saved state, with its kernel up. */
  | { kind: "power"; isOn: boolean; isAwake?: true; problem?: string }
  | { kind: "console"; text: string }
  | { kind: "frame" }
  | { kind: "status"; gist: StatusGist }
  | { kind: "cable"; isPartitioned: boolean };

export const unobserved = (name: string): Observed => ({ name, isOn: false, isPartitioned: false, reached: {} });

export function observe(observed: Observed[], name: string, finding: Finding, nowS: number): [Observed[], LabEvent[]] {
  const before = observed.find((device) => device.name === name);
  if (!before) return [observed, []];
  const after = update(before, finding, nowS);
  const isNewBoot = after.isOn && !before.isOn;
  const news = milestones
    .filter((milestone) => after.reached[milestone] !== undefined)
    .filter((milestone) => isNewBoot || before.reached[milestone] === undefined)
    .map((milestone): LabEvent => ({ atS: nowS, device: name, what: milestone }));
  return [observed.map((device) => (device === before ? after : device)), [...news, ...changes(before, after, nowS)]];
}

function update(device: Observed, finding: Finding, nowS: number): Observed {
  const reach = (...found: Milestone[]): Observed["reached"] => ({
    ...Object.fromEntries(found.map((milestone) => [milestone, nowS])),
    ...device.reached,
  });
  switch (finding.kind) {
    case "power": {
      const { problem: _, ...rest } = device;
      return {
        ...rest,
        isOn: finding.isOn,
        reached: !finding.isOn
          ? device.reached
          : { power: nowS, ...(finding.isAwake && { firmware: nowS, kernel: nowS }) },
        ...(finding.problem !== undefined && { problem: finding.problem }),
      };
    }
    case "console":
      // The firmware writes first; the kernel's own first line is "Linux version", and any of its lines has a time in brackets.
      return {
        ...device,
        reached: reach(
          "firmware",
          ...(/Linux version|^\[ *\d+\.\d{6}\]|^hamlet/im.test(finding.text) ? ["kernel" as const] : []),
        ),
      };
    case "frame":
      return device.isOn ? { ...device, reached: reach("kernel") } : device;
    case "cable":
      return { ...device, isPartitioned: finding.isPartitioned };
    case "status":
      return {
        ...device,
        last: { gist: finding.gist, atS: nowS },
        reached: reach("kernel", ...agentMilestones(finding.gist)),
      };
  }
}

function agentMilestones({ phase, members, neighbors }: StatusGist): Milestone[] {
  const others = members.filter((member) => !member.isSelf);
  const found: Milestone[] = ["agent"];
  if (neighbors.length > 0 || others.length > 0) found.push("neighbor");
  if (phase === "member" && others.length > 0) found.push("member");
  if (others.some((member) => member.handshakeAgeS !== undefined)) found.push("handshake");
  if (others.some((member) => member.metrics !== undefined)) found.push("telemetry");
  return found;
}

function changes(before: Observed, after: Observed, nowS: number): LabEvent[] {
  const event = (device: string, what: LabEvent["what"], detail?: string): LabEvent => ({
    atS: nowS,
    device,
    what,
    ...(detail && { detail }),
  });
  const events: LabEvent[] = [];
  if (before.isOn && !after.isOn) events.push(event(after.name, after.problem ? "ended" : "off", after.problem));
  if (before.isPartitioned !== after.isPartitioned) {
    events.push(event(after.name, after.isPartitioned ? "partitioned" : "healed"));
  }
  for (const member of after.last?.gist.members ?? []) {
    const was = before.last?.gist.members.find((known) => known.id === member.id);
    if (!was || was.state === member.state || member.isSelf) continue;
    // Ignore suspicion: it comes and goes on a busy computer.
    if (member.state === "dead" || (member.state === "alive" && was.state === "dead")) {
      events.push(event(member.name, member.state, `says ${after.name}`));
    }
  }
  return events;
}
