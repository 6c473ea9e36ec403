// A moment of an update at which the power is cut, chosen by a seed. Pure.
import { z } from "zod";
import { draw, type Random } from "../../../system/random.ts";

/** What the lab reads of an updater's report: see UpdateActivity of provisioning/handover/update.ts. */
export const Activity = z.object({
  phase: z.string(),
  doneBytes: z.number().optional(),
  totalBytes: z.number().optional(),
});
export type Activity = z.infer<typeof Activity>;

/** The phases of an update under way, in their order. */
const phases = ["writing", "verifying", "restarting", "trying"] as const;
export type Moment = { phase: (typeof phases)[number]; share: number };

/** Most of an update's time is spent on writing, and most of its risk comes after. */
export function chooseMoment(random: Random): Moment {
  const [which, share] = [draw(random), draw(random)];
  if (which < 0.5) return { phase: "writing", share };
  if (which < 0.7) return { phase: "verifying", share };
  return { phase: which < 0.85 ? "restarting" : "trying", share: 0 };
}

export const isUnderWay = (activity: Activity | undefined): boolean =>
  (phases as readonly string[]).includes(activity?.phase ?? "");

/** Also for an update that has passed the moment. */
export function isReached(moment: Moment, activity: Activity | undefined): boolean {
  const at = (phases as readonly string[]).indexOf(activity?.phase ?? "");
  const wanted = phases.indexOf(moment.phase);
  if (at !== wanted) return at > wanted;
  const { doneBytes = 0, totalBytes = 0 } = activity ?? {};
  return totalBytes === 0 || doneBytes / totalBytes >= moment.share;
}
