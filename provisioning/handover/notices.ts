// What root makes known for the agent, which may reach neither screen nor boot partition: three small files in the agent's runtime
// folder. Root's script `tell` copies them to the consoles, to hamlet/report.txt and into the hostname.
import { join } from "node:path";
import { writeFileAtomic } from "../../system/files.ts";
import { reportBlockBytes } from "./report.ts";

/** Longest size of each in bytes, as the script reads them. */
export const noticeBytes = { "console.txt": 8192, "report.txt": reportBlockBytes, name: 64 } as const;

export type Notices = {
  /** Printed on every console. */
  console: string;
  /** Exactly one block, where it changed. */
  report?: Buffer | undefined;
  /** The hostname, where it changed. */
  name?: string | undefined;
};

/** For the agent. `console` goes last: it is the file that root watches. */
export async function writeNotices(folder: string, { console, report, name }: Notices): Promise<void> {
  const put = (file: keyof typeof noticeBytes, content: Uint8Array) =>
    writeFileAtomic(join(folder, file), content.subarray(0, noticeBytes[file]), { mode: 0o644 });
  if (report) await put("report.txt", report);
  if (name !== undefined) await put("name", Buffer.from(`${name}\n`));
  await put("console.txt", Buffer.from(console));
}
