// The owner's requests for root are written to root's folder, and only after the agent has agreed.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withRootRequest } from "../../../cli/commands/device/root-request.ts";
import { runThrough } from "../../../cli/terminal/device.ts";
import { takeUpdateRequest } from "../../../provisioning/handover/requests.ts";
import { localDoors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";

let root: string;
let folder: string;
let asked: string[];
let sent: object[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-request-"));
  folder = join(root, "var/lib/hamlet/root");
  asked = [];
  sent = [];
  await mkdir(folder, { recursive: true });
  await mkdir(join(root, "run/hamlet-disk"), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const request = withRootRequest(
  async (path, what) => {
    asked.push(`${path} with ${await readdir(folder)}`);
    sent.push(what);
    if ("id" in what && what.id === "another") throw new HamletError("reset.refused", "this is not the device");
  },
  (argv) => runThrough(localDoors.exec({ argv: argv.map((word) => (word === "" ? root : word)) })),
);

test("p4-wish: a reset request is on disk before the agent leaves and takes effect after it; only root may read it", async () => {
  await request("/v1/reset", { id: "this" });
  expect(asked).toEqual(["/v1/reset with reset.json.asked"]);
  expect(await readdir(folder)).toEqual(["reset.json"]);
  expect((await stat(join(folder, "reset.json"))).mode & 0o777).toBe(0o600);
});

test("p4-wish: an install request names the confirmed disk", async () => {
  await request("/v1/install", { id: "this", disk: "/dev/nvme0n1" });
  expect(JSON.parse(await readFile(join(folder, "install.json"), "utf8"))).toEqual({ v: 1, disk: "/dev/nvme0n1" });
});

test("a request that the agent refuses, or that needs no root, leaves nothing for root", async () => {
  await expect(request("/v1/reset", { id: "another" })).rejects.toMatchObject({ code: "reset.refused" });
  await request("/v1/rename", { name: "pantry" });
  expect(await readdir(folder)).toEqual([]);
});

test("if the request cannot be written, the agent is not asked at all", async () => {
  await rm(folder, { recursive: true });
  await expect(request("/v1/reset", { id: "this" })).rejects.toMatchObject({
    code: "reset.refused",
    hint: expect.stringContaining("as root"),
  });
  expect(asked).toEqual([]);
});

test("a restart that cuts off the answer is no failure, and a request that cannot be activated is one", async () => {
  const lastEnds = (how: () => Promise<number>) => {
    let scripts = 0;
    return withRootRequest(
      async () => {},
      async () => (++scripts === 2 ? how() : 0),
    )("/v1/reset", { id: "this" });
  };
  await lastEnds(async () => 143);
  await lastEnds(async () => {
    throw new HamletError("lab.execFailed", "the machine went away");
  });
  await expect(lastEnds(async () => 1)).rejects.toMatchObject({ code: "reset.refused" });
  await expect(
    lastEnds(async () => {
      throw new Error("unexpected");
    }),
  ).rejects.toThrow("unexpected");
});

test("a folder or file to update from is named in root's folder before the agent hears of it, and the agent does not learn which", async () => {
  const stick = join(root, "mnt/update");
  await mkdir(join(stick, "metadata"), { recursive: true });
  await expect(request("/v1/update", { kind: "install", path: stick })).rejects.toMatchObject({
    code: "update.notThere",
    hint: expect.stringContaining("ota export"),
  });
  expect(asked).toEqual([]);
  await writeFile(join(stick, "metadata/timestamp.json"), "{}");
  await request("/v1/update", { kind: "install", path: stick });
  expect(asked).toEqual(["/v1/update with update.json"]);
  expect(sent.at(-1)).toEqual({ kind: "install" });
  expect(await takeUpdateRequest(join(folder, "update.json"))).toBe(stick);
  await writeFile(`${stick}.tar`, "a release");
  await request("/v1/update", { kind: "install", path: `${stick}.tar` });
  expect(await takeUpdateRequest(join(folder, "update.json"))).toBe(`${stick}.tar`);
});

test("a folder that the device refuses, or that cannot be named there, leaves nothing for root", async () => {
  const stick = join(root, "mnt/update");
  await mkdir(join(stick, "metadata"), { recursive: true });
  await writeFile(join(stick, "metadata/timestamp.json"), "{}");
  const refusing = withRootRequest(
    () => Promise.reject(new HamletError("update.busy", "it writes")),
    (argv) => runThrough(localDoors.exec({ argv: argv.map((word) => (word === "" ? root : word)) })),
  );
  await expect(refusing("/v1/update", { kind: "install", path: stick })).rejects.toMatchObject({
    code: "update.busy",
  });
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
  await expect(request("/v1/update", { kind: "install", path: stick })).rejects.toMatchObject({
    code: "device.needsRoot",
  });
  await rm(join(root, "run/hamlet-disk"), { recursive: true });
  await expect(request("/v1/update", { kind: "install", path: stick })).rejects.toMatchObject({
    code: "boot.unsupported",
  });
});
