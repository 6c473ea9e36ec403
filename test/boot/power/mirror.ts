// A file that holds what a range of a logged disk holds. Programs that check file systems want files, and from one state to the next
// only little changes.
import { closeSync, openSync, writeSync } from "node:fs";
import type { LoggedDisk } from "./logged-disk.ts";
import type { Range } from "./promises.ts";

export type Mirror = {
  /** From here on the file holds what the disk holds now, until the disk's next change. */
  renew(): void;
  close(): void;
};

/** Makes the file. Only `renew` may change it. */
export function openMirror(disk: LoggedDisk, path: string, { offset, length }: Range): Mirror {
  disk.copyTo(path, { offset, length });
  const file = openSync(path, "r+");
  let changed: Range[] = [];
  disk.onChange((at, size) => {
    const [first, end] = [Math.max(at, offset), Math.min(at + size, offset + length)];
    if (first < end) changed.push({ offset: first, length: end - first });
  });
  return {
    renew() {
      for (const range of changed)
        writeSync(file, disk.read(range.offset, range.length), 0, range.length, range.offset - offset);
      changed = [];
    },
    close: () => closeSync(file),
  };
}
