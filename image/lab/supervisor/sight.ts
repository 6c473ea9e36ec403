// From what is seen of each machine (power, console, its agent's answers) to how far it is and how it stands with the others.
// Pure: the lab polls and hands the findings in; time comes with them.
import { z } from "zod";
import { type LabEvent, type Milestone, milestones } from "./status.ts";

/** As much of an agent's status as the lab reads; the rest passes through untouched. */
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
});
export type StatusGist = z.infer<typeof StatusGist>;

export type Sight = {
  name: string;
  isOn: boolean;
  isPartitioned: boolean;
  /** The agent's last answer and when it came; kept when the power goes, since id and address outlive that. */
  last?: { gist: StatusGist; atS: number };
  reached: Partial<Record<Milestone, number>>;
  problem?: string;
};
export type Finding =
  /** `isAwake`: it came out of a saved state, with its kernel up. */
  | { kind: "power"; isOn: boolean; isAwake?: true; problem?: string }
  | { kind: "console"; text: string }
  | { kind: "frame" }
  | { kind: "status"; gist: StatusGist }
  | { kind: "cable"; isPartitioned: boolean };

export const newSight = (name: string): Sight => ({ name, isOn: false, isPartitioned: false, reached: {} });

export function see(sights: Sight[], name: string, finding: Finding, nowS: number): [Sight[], LabEvent[]] {
  const before = sights.find((sight) => sight.name === name);
  if (!before) return [sights, []];
  const after = update(before, finding, nowS);
  const isNewBoot = after.isOn && !before.isOn;
  const news = milestones
    .filter((milestone) => after.reached[milestone] !== undefined)
    .filter((milestone) => isNewBoot || before.reached[milestone] === undefined)
    .map((milestone): LabEvent => ({ atS: nowS, device: name, what: milestone }));
  return [sights.map((sight) => (sight === before ? after : sight)), [...news, ...changes(before, after, nowS)]];
}

function update(sight: Sight, finding: Finding, nowS: number): Sight {
  const reach = (...found: Milestone[]): Sight["reached"] => ({
    ...Object.fromEntries(found.map((milestone) => [milestone, nowS])),
    ...sight.reached,
  });
  switch (finding.kind) {
    case "power": {
      const { problem: _, ...rest } = sight;
      return {
        ...rest,
        isOn: finding.isOn,
        reached: !finding.isOn
          ? sight.reached
          : { power: nowS, ...(finding.isAwake && { firmware: nowS, kernel: nowS }) },
        ...(finding.problem !== undefined && { problem: finding.problem }),
      };
    }
    case "console":
      // The firmware writes first; the kernel's own first line is "Linux version", and any of its lines has a time in brackets.
      return {
        ...sight,
        reached: reach(
          "firmware",
          ...(/Linux version|^\[ *\d+\.\d{6}\]|^hamlet/im.test(finding.text) ? ["kernel" as const] : []),
        ),
      };
    case "frame":
      return sight.isOn ? { ...sight, reached: reach("kernel") } : sight;
    case "cable":
      return { ...sight, isPartitioned: finding.isPartitioned };
    case "status":
      return {
        ...sight,
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

function changes(before: Sight, after: Sight, nowS: number): LabEvent[] {
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
    // Suspicion is no news: it comes and goes on a busy computer.
    if (member.state === "dead" || (member.state === "alive" && was.state === "dead")) {
      events.push(event(member.name, member.state, `says ${after.name}`));
    }
  }
  return events;
}
