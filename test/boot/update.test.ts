// One device of two updates itself: the new release is written beside the old one, tried, and kept; a release whose mesh does not
// come up is tried, and the old one comes back.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { programsFor } from "../../cli/package/programs.ts";
import { LabStatus } from "../../image/lab/supervisor/status.ts";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { eventually } from "../eventually.ts";
import { type TestPublisher, testImage, testPublisher, testUpdates } from "./image.ts";
import { bootLab, deviceOf, runHamlet, type TestLab } from "./lab.ts";
import { keepRecording, openRecording } from "./power/recording.ts";
import { testPowerCuts } from "./power/tests.ts";

/** `lab status` shows what a device said last, which may be some seconds old. */
const soon = { within: 60_000, every: 1_000 };
let folder = "";
let publisher: TestPublisher;
let lab: TestLab;
const images = { good: "", bad: "" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-update-"));
  publisher = await testPublisher(join(folder, "ota"));
  const first = await testImage();
  images.good = await build("0.2.0");
  images.bad = await build("0.2.1", "--agent", await agentWithoutMesh());
  lab = await bootLab({ images: [first], devices: 2, web: publisher.served });
  await lab.until(isWhole);
  await publish(first);
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function hamlet(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHamlet(argv, { HAMLET_PASSPHRASE: publisher.passphrase });
  expect([code, stderr], argv.join(" ")).toEqual([0, expect.any(String)]);
  return stdout;
}

async function build(version: string, ...options: string[]): Promise<string> {
  const { repository, releaseRoot } = await testUpdates();
  const updates = ["--repository", repository, "--release-root", releaseRoot];
  const to = ["--board", "nuc", "--version", version, "-o", folder, "--json"];
  return JSON.parse(await hamlet("image", "build", ...to, ...updates, ...options)).path;
}

/** It starts and shows its page, but finds none of the programs that set up a mesh. */
async function agentWithoutMesh(): Promise<string> {
  const { programs } = await programsFor(join(folder));
  const path = join(folder, "bad-agent.mjs");
  await writeFile(path, `process.env.PATH = "/nowhere";\n${await readFile(programs.get("agent.mjs")!, "utf8")}`);
  return path;
}

const publish = (image: string) => hamlet("ota", "publish", image, "--folder", publisher.folder);

const attic = async () => {
  const { stdout } = await lab.hamlet("lab", "status", "--json");
  const { release, slot, id } = deviceOf(LabStatus.parse(JSON.parse(stdout)), "attic");
  return { release, slot, id };
};
/** Bytes that the web sent to the attic since the last call. */
let counted = 0;
const fetchedBytes = async () => {
  const { stdout } = await lab.hamlet("lab", "web", "--json");
  const total: number = JSON.parse(stdout).takers.find(({ name }: { name: string }) => name === "attic").bytes;
  const news = total - counted;
  counted = total;
  return news;
};

test("a device that runs the newest release says so, and fetches next to nothing", async () => {
  const { code, stdout } = await lab.hamlet("update", "check", "--device", "attic");
  expect([code, stdout]).toEqual([0, "attic runs 0.1.0, the newest release\n"]);
  expect(await fetchedBytes()).toBeLessThan(100_000);
});

test("a device updates to a newer release, fetches only what changed, and stays the same member", async () => {
  const before = await attic();
  expect(before).toMatchObject({ release: "0.1.0", slot: "a" });
  await publish(images.good);
  const { code, stdout, stderr } = await lab.hamlet("update", "now", "--watch", "--device", "attic");
  expect([code, stdout, stderr]).toEqual([0, expect.stringContaining("0.2.0"), expect.any(String)]);
  await eventually(async () => expect(await attic()).toEqual({ id: before.id, release: "0.2.0", slot: "b" }), soon);
  expect(await fetchedBytes()).toBeLessThan(5_000_000);
  const { stdout: history } = await lab.hamlet("update", "history", "--json", "--device", "attic");
  expect(JSON.parse(history).history).toEqual([
    expect.objectContaining({ from: "0.1.0", to: "0.2.0", outcome: "committed" }),
  ]);
});

test("a release whose mesh does not come up is tried, and the old one comes back and says why", async () => {
  await publish(images.bad);
  const { code, stdout, stderr } = await lab.hamlet("update", "now", "--watch", "--device", "attic");
  expect([code, stdout, stderr]).toEqual([4, expect.stringContaining("0.2.1"), expect.any(String)]);
  await eventually(async () => expect(await attic()).toMatchObject({ release: "0.2.0", slot: "b" }), soon);
  const { stdout: history } = await lab.hamlet("update", "history", "--json", "--device", "attic");
  const { history: [latest] = [], fallback } = JSON.parse(history);
  expect(latest).toMatchObject({ from: "0.2.0", to: "0.2.1", outcome: "failed", check: "trial.meshDown" });
  expect(fallback.log.join("\n")).toContain("hamlet-agent");
  expect((await lab.statusOf("attic")).warnings.map((one) => one.code)).toContain("update.fallback");
});

test("a release that failed waits until someone asks for it again, and a fallback warns until it is seen", async () => {
  const { stderr } = await lab.hamlet("update", "now", "--device", "attic");
  expect(stderr).toContain("update.failedBefore");
  expect((await lab.hamlet("update", "seen", "--device", "attic")).code).toBe(0);
  expect((await lab.statusOf("attic")).warnings.map((one) => one.code)).not.toContain("update.fallback");
});

// The log of all that, on a computer without a lab that runs.
testPowerCuts(async () => {
  await keepRecording(lab.folder, "attic", await testImage());
  await lab.down();
  return (await openRecording())!;
});
