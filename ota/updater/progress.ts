// How far an installation is.
// Pure.
import type { Part, PartName } from "../format/manifest.ts";
import type { Cost } from "./cost.ts";

export type Progress =
  | {
      phase: "writing";
      part: PartName;
      doneBytes: number;
      totalBytes: number;
      fetchedBytes: number;
      forecastBytes: number;
    }
  | { phase: "verifying"; doneBytes: number; totalBytes: number };
/** The installation waits only for its first call, with the forecast. */
export type OnProgress = (progress: Progress) => void | Promise<void>;

export function countProgress(parts: Part[], cost: Cost, onProgress: OnProgress) {
  const totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const written = new Map<PartName, number>();
  const verified = new Map<PartName, number>();
  const sum = (of: Map<PartName, number>) => [...of.values()].reduce((all, one) => all + one, 0);
  const toVerify = parts.reduce((all, { name, sizeBytes }) => all + (name === "kernel" ? 0 : sizeBytes), 0);
  const writing = (part: PartName) =>
    onProgress({ phase: "writing", part, doneBytes: sum(written), totalBytes, ...cost.soFar() });
  return {
    begin: async () => writing(parts[0]!.name),
    onWritten:
      ({ name }: Part) =>
      (doneBytes: number) => {
        written.set(name, doneBytes);
        void writing(name);
      },
    onVerified:
      ({ name }: Part) =>
      (doneBytes: number) => {
        verified.set(name, doneBytes);
        void onProgress({ phase: "verifying", doneBytes: sum(verified), totalBytes: toVerify });
      },
  };
}
