// Options that say where a device gets its updates, for an image and for a device.
import type { ProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { Repositories, readReleaseRoot } from "../../../provisioning/file/update-source.ts";
import { explainIssues } from "../../../system/files.ts";
import { type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";

export const updateOptions: Record<string, Option> = {
  repository: {
    type: "string",
    multiple: true,
    argument: "url",
    describe: "web address of an update repository; if repeated, the device tries them in this order",
  },
  "release-root": {
    type: "string",
    argument: "file",
    describe: "metadata/<n>.root.json of that repository: the device trusts the releases that its keys lead to",
  },
};

/** Throws `usage.invalid`. */
export function readRepositories(command: Command, values: Values): string[] | undefined {
  const given = values["repository"];
  if (!Array.isArray(given) || given.length === 0) return undefined;
  const repositories = Repositories.safeParse(given);
  if (repositories.success) return repositories.data;
  throw usageError(command, `--repository ${explainIssues(repositories.error)}`);
}

/** What of them goes into a provision file. Throws `usage.invalid`, `file.unreadable` or `file.invalid`. */
export async function readUpdateSettings(command: Command, values: Values): Promise<ProvisionFile["update"]> {
  const repositories = readRepositories(command, values);
  const path = text(values, "release-root");
  const releaseRoot = path === undefined ? undefined : await readReleaseRoot(path);
  if (!repositories && !releaseRoot) return undefined;
  return { ...(repositories && { repositories }), ...(releaseRoot && { releaseRoot }) };
}
