// `hamlet rollout rehearse` on whole devices: a release whose mesh does not come up is no-go with the check that failed, a good one is go.
// Nothing is left behind. Each throws if it ends otherwise.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rehearsal } from "../../cli/commands/rollout/rehearsal/verdict.ts";
import { testImage } from "./image.ts";
import { runHamlet } from "./lab.ts";
import { testReleases } from "./releases.ts";

const seed = 7;

/** Returns what each scenario took. */
export async function proveRehearsal(of: "good" | "bad"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rehearse-"));
  try {
    const first = await testImage();
    const releases = await testReleases(folder);
    await releases.publish(first);
    await releases.publish(await (of === "good" ? releases.build("0.2.0") : releases.buildWithoutMesh("0.2.0")));
    const what = ["--release", "0.2.0", "--from", "0.1.0", "--board", "nuc", "--image", first, "--seed", String(seed)];
    const state = join(folder, "state");
    const { code, stdout, stderr } = await runHamlet(
      ["rollout", "rehearse", ...what, "--folder", releases.publisher.folder, "--json"],
      { XDG_STATE_HOME: state },
    );
    assert.ok(stdout, stderr);
    const { verdict, boards } = Rehearsal.parse(JSON.parse(stdout));
    const scenarios = boards[0]!.scenarios;
    const told = boards[0]!.reason ?? scenarios.map(textOf).join("; ");
    assert.equal(verdict, of === "good" ? "go" : "no-go", told);
    assert.equal(code, of === "good" ? 0 : 4);
    const [failure] = scenarios.flatMap(({ outcome }) => (outcome.verdict === "failed" ? [outcome.check] : []));
    assert.equal(failure, of === "good" ? undefined : "trial.meshDown");
    assert.deepEqual(await readdir(join(state, "hamlet")), []);
    return told;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const textOf = ({ name, device, seconds, outcome }: Rehearsal["boards"][number]["scenarios"][number]): string => {
  const why = outcome.verdict === "failed" ? ` (${outcome.check}: ${outcome.reason})` : "";
  return `${name} on ${device} ${outcome.verdict}${why} in ${seconds.toFixed(0)} s`;
};
