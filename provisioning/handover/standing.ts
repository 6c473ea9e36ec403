// What of a device's own record changes over time: number, name, who admitted it. The agent keeps it in `standing.json`; root reads in
// it whether any member ever admitted this device.
import { z } from "zod";
import { type Kept, keep, readKept } from "../../system/kept.ts";
import { Admission } from "../trust/admission.ts";
import { DeviceName, Id } from "../trust/fields.ts";
import { maxAdmissions } from "../trust/record.ts";
import { readKeptFrom } from "./files.ts";

export const Standing = z.object({
  v: z.literal(1),
  number: z.int().min(0).describe("of the last record signed"),
  name: DeviceName,
  admissions: z.array(Admission).max(maxAdmissions).describe("by members, the newest last"),
  replaces: Id.optional().describe("the former identity of this board whose name was taken over"),
});
export type Standing = z.infer<typeof Standing>;

/** For the agent: repairs the file from its copy, or puts aside what cannot be read. */
export const readStanding = (path: string): Promise<Kept<Standing>> => readKept(path, Standing);

/** `isCopied: false` for a number alone, which others correct if it is lost. Throws `file.full` or the system's error. */
export const keepStanding = (path: string, standing: Standing, { isCopied = true } = {}): Promise<void> =>
  keep(path, standing, { isCopied });

/** For root, which changes nothing: undefined if there is none. Throws `handover.refused` or `file.invalid`. */
export const readAdmissions = async (path: string): Promise<string[] | undefined> =>
  (await readKeptFrom(path, Standing.pick({ admissions: true })))?.admissions;
