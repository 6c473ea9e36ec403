// Ends a test run with each file's seconds, the failures and one plain line of counts. A run of all projects also writes its
// seconds to test/run-seconds.new.jsonl, which git ignores; move that file to test/run-seconds.jsonl to make it the reference.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from "vitest/node";
import { type Failure, type FileSeconds, failureLines, secondsLines, secondsTable, summaryLine } from "./seconds.ts";

export default class SecondsReporter implements Reporter {
  #startedAt = performance.now();

  onTestRunStart(): void {
    this.#startedAt = performance.now();
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const rows = modules.map(secondsOf);
    console.log(`\n${secondsTable(rows, (performance.now() - this.#startedAt) / 1_000)}\n`);
    if (new Set(rows.map(({ project }) => project)).size > 1) keep(rows);
    const failures = [
      ...modules.flatMap(failuresOf),
      ...unhandled.map((error) => failure("outside of any test", [error])),
    ];
    if (failures.length > 0) console.log(`${failureLines(failures)}\n`);
    // An error outside any test fails the run too.
    console.log(summaryLine([...rows, { passed: 0, failed: unhandled.length, skipped: 0 }]));
  }
}

function secondsOf(module: TestModule): FileSeconds {
  const { environmentSetupDuration, prepareDuration, collectDuration, setupDuration, duration } = module.diagnostic();
  const ms = environmentSetupDuration + prepareDuration + collectDuration + setupDuration + duration;
  const states = [...module.children.allTests()].map((test) => test.result().state);
  const count = (state: (typeof states)[number]) => states.filter((one) => one === state).length;
  return {
    file: module.relativeModuleId,
    project: module.project.name,
    seconds: Math.round(ms / 100) / 10,
    passed: count("passed"),
    // A file that cannot be loaded or a hook that fails leaves its tests skipped, so count it as a failure itself.
    failed: count("failed") + [module, ...module.children.allSuites()].filter(hasOwnError).length,
    skipped: count("skipped"),
  };
}

/** Names a file that cannot be loaded by its path, and a failed hook by its group of tests. */
function failuresOf(module: TestModule): Failure[] {
  const groups = [module, ...module.children.allSuites()].filter(hasOwnError);
  const tests = [...module.children.allTests()].filter((test) => test.result().state === "failed");
  const title = (one: TestModule | TestSuite | TestCase) => (one.type === "module" ? "" : ` > ${one.fullName}`);
  return [
    ...groups.map((group) => failure(module.relativeModuleId + title(group), group.errors())),
    ...tests.map((test) => failure(module.relativeModuleId + title(test), test.result().errors ?? [])),
  ];
}

const failure = (title: string, errors: readonly { message: string }[]): Failure => ({
  title,
  messages: errors.map(({ message }) => message),
});

const hasOwnError = (suite: TestModule | TestSuite): boolean => suite.errors().length > 0;

function keep(rows: FileSeconds[]): void {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  let commit = "none";
  try {
    commit = git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "--", ":/") ? "+" : "");
  } catch {
    // A source tree without git history has no commit to name.
  }
  const run = { commit, date: new Date().toISOString(), cores: availableParallelism() };
  writeFileSync(join(import.meta.dirname, "run-seconds.new.jsonl"), secondsLines(rows, run));
}
