// Files that run beside each other begin with the longest, or the end of a run waits for one file alone. How long each takes
// stands in test/run-seconds.jsonl; a file that is not there yet comes first.
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import type { FileSeconds } from "./seconds.ts";

const root = join(import.meta.dirname, "..");

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = secondsByFile(join(import.meta.dirname, "run-seconds.jsonl"));
    const secondsOf = ({ moduleId }: TestSpecification) => seconds.get(relative(root, moduleId)) ?? 3_600;
    return files.toSorted((a, b) => secondsOf(b) - secondsOf(a));
  }
}

function secondsByFile(path: string): Map<string, number> {
  const lines = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  return new Map(
    lines.map((line) => {
      const { file, seconds } = JSON.parse(line) as FileSeconds;
      return [file, seconds];
    }),
  );
}
