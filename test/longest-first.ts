// Runs the slowest test files first, so that a run does not end waiting for a single file. The times come from the last
// whole run on this machine, or else from test/run-seconds.jsonl; a file without a time runs first.
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import type { FileSeconds } from "./seconds.ts";

const root = join(import.meta.dirname, "..");

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const kept = ["run-seconds.new.jsonl", "run-seconds.jsonl"].map((name) => join(import.meta.dirname, name));
    return slowestFirst(files, ({ moduleId }) => relative(root, moduleId), secondsByFile(kept.find(existsSync)));
  }
}

export const slowestFirst = <T>(files: T[], nameOf: (file: T) => string, seconds: Map<string, number>): T[] => {
  const of = (file: T) => seconds.get(nameOf(file)) ?? Number.MAX_VALUE;
  return files.toSorted((a, b) => of(b) - of(a));
};

export function secondsByFile(path: string | undefined): Map<string, number> {
  const lines = path ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  return new Map(
    lines.map((line) => {
      const { file, seconds } = JSON.parse(line) as FileSeconds;
      return [file, seconds];
    }),
  );
}
