import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Device, serveRequests } from "../../../agent/api/requests.ts";
import { startApi } from "../../../agent/api/server.ts";
import type { UpdateActivity } from "../../../provisioning/handover/update.ts";
import { Refusal } from "../../../provisioning/trust/refusal.ts";
import { HamletError } from "../../../system/error.ts";

const id = "a".repeat(26);
let folder: string;
let name: string;
let told: string[];
let api: { stop(): Promise<void> };
let device: Device;
let activity: UpdateActivity | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-requests-"));
  name = "attic";
  told = [];
  const life: ReturnType<Device["life"]> = {
    async rename(wanted) {
      if (wanted === "cellar") throw new HamletError("name.taken", "another is called so", { exitCode: 3 });
      name = wanted;
    },
    async leave() {
      told.push("left");
    },
    async order(documents) {
      if (documents.includes("aa.forged.cc")) throw new Refusal("badSignature", "the root did not sign this");
      return documents.map(() => ({ kind: "adoption", outcome: "new", counts: true }));
    },
  };
  const update: Device["update"] = async ({ kind }) => {
    if (kind === "retry") throw new HamletError("update.busy", "the updater is at work");
    told.push(kind);
  };
  const inner = { path: "/dev/nvme0n1", sizeBytes: 256e9, model: "Inner", partitions: 3 };
  activity = undefined;
  device = {
    ...{ id, life: () => life, stateFolder: folder, isImage: true, internalDisk: async () => inner, update },
    updateActivity: () => activity,
  };
  api = await startApi(
    join(folder, "agent.sock"),
    serveRequests(
      {
        ...device,
        life: () => device.life(),
        internalDisk: () => device.internalDisk(),
        get isImage() {
          return device.isImage;
        },
      },
      (_, response) => response.end("a page"),
    ),
  );
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});

async function send(path: string, body: string, method = "POST"): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(folder, "agent.sock"), path, method }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    asked.on("error", reject).end(body);
  });
}
const post = async (path: string, body: object) => {
  const { status, body: answer } = await send(path, JSON.stringify(body));
  return { status, ...JSON.parse(answer) };
};

test("a rename request sets the new name", async () => {
  expect(await post("/v1/rename", { name: "pantry" })).toMatchObject({ status: 200, name: "pantry" });
  expect(name).toBe("pantry");
});

test.each([
  ["a name that another holds", { name: "cellar" }, { code: "name.taken", exitCode: 3 }],
  ["no DNS label", { name: "My Attic" }, { code: "usage.invalid", exitCode: 2 }],
  ["nothing", {}, { code: "usage.invalid", exitCode: 2 }],
])("%s is refused by its code, and the name stays", async (_, body, refusal) => {
  expect(await post("/v1/rename", body)).toMatchObject({ status: 409, ...refusal });
  expect(name).toBe("attic");
});

test("a device that is not a member cannot be renamed", async () => {
  device.life = () => undefined;
  expect(await post("/v1/rename", { name: "pantry" })).toMatchObject({ code: "api.refused" });
});

test("reset: the agent leaves the neighborhood and writes nothing for root", async () => {
  expect(await post("/v1/reset", { id })).toMatchObject({ status: 200, id });
  expect(told).toEqual(["left"]);
});

test("a device that was never a member can be reset too", async () => {
  device.life = () => undefined;
  expect(await post("/v1/reset", { id })).toMatchObject({ status: 200 });
});

test("a reset confirmed for another device is refused", async () => {
  expect(await post("/v1/reset", { id: `${"b".repeat(25)}a` })).toMatchObject({ code: "reset.refused", exitCode: 3 });
  expect(told).toEqual([]);
});

test("a machine that does not run from our image cannot be reset", async () => {
  device.isImage = false;
  expect(await post("/v1/reset", { id })).toMatchObject({ code: "reset.refused", exitCode: 3 });
  expect(told).toEqual([]);
});

test("install: the confirmed disk must be the internal one", async () => {
  expect(await post("/v1/install", { id, disk: "/dev/nvme0n1" })).toMatchObject({ status: 200, disk: "/dev/nvme0n1" });
});

test.each<[string, object, () => void]>([
  ["another disk", { id, disk: "/dev/sda" }, () => {}],
  ["another device", { id: `${"b".repeat(25)}a`, disk: "/dev/nvme0n1" }, () => {}],
  ["a disk that is gone", { id, disk: "/dev/nvme0n1" }, () => (device.internalDisk = async () => undefined)],
])("install: a move confirmed for %s is refused", async (_, body, change) => {
  change();
  expect(await post("/v1/install", body)).toMatchObject({ status: 409, exitCode: 3 });
});

test("no request makes the agent write anything for root", async () => {
  for (const path of ["/v1/reset", "/v1/install"]) await post(path, { id, disk: "/dev/nvme0n1" });
  expect(await readdir(folder)).toEqual(["agent.sock"]);
});

test("while an update writes or tries a slot, nothing else that needs the slots begins", async () => {
  const version = "0.2.0";
  const busy: UpdateActivity[] = [
    { ...{ phase: "writing", version, part: "root" }, doneBytes: 0, totalBytes: 0, fetchedBytes: 0, forecastBytes: 0 },
    { phase: "verifying", version, doneBytes: 0, totalBytes: 0 },
    { phase: "restarting", version },
    { phase: "trying", version, leftS: 9, waitsFor: [] },
  ];
  for (activity of busy) {
    for (const [path, body] of [
      ["/v1/reset", { id }],
      ["/v1/install", { id, disk: "/dev/nvme0n1" }],
      ["/v1/update", { kind: "back" }],
      ["/v1/update", { kind: "install" }],
    ] as const) {
      expect(await post(path, body)).toMatchObject({ status: 409, code: "update.busy", exitCode: 3 });
    }
  }
  expect(told).toEqual([]);
  expect(await post("/v1/update", { kind: "now" })).toMatchObject({ status: 200 });
  activity = { phase: "idle" };
  expect(await post("/v1/reset", { id })).toMatchObject({ status: 200 });
});

test("a restart into a release is passed on only if one may be ready", async () => {
  const restart = () => post("/v1/update", { kind: "restart" });
  for (activity of [{ phase: "idle" }, { phase: "restarting", version: "0.2.0" }] as UpdateActivity[]) {
    expect(await restart()).toMatchObject({ status: 409, code: "update.notReady", exitCode: 3 });
  }
  expect(told).toEqual([]);
  activity = { phase: "ready", version: "0.2.0" };
  expect(await restart()).toMatchObject({ status: 200 });
});

test("garbage and floods are refused; the page answers everything else", async () => {
  expect(await send("/v1/reset", "{")).toMatchObject({ status: 409 });
  expect(await send("/v1/rename", `{"name":"${"x".repeat(10_000)}"}`)).toMatchObject({ status: 409 });
  expect(await send("/v1/reset", "", "GET")).toEqual({ status: 200, body: "a page" });
});

test("update: a request goes to the updater, and its refusal comes back", async () => {
  expect(await post("/v1/update", { kind: "now" })).toMatchObject({ status: 200, kind: "now" });
  expect(await post("/v1/update", { kind: "retry" })).toMatchObject({ status: 409, code: "update.busy" });
  expect(await post("/v1/update", { kind: "never" })).toMatchObject({ status: 409, code: "usage.invalid" });
  expect(told).toEqual(["now"]);
});

test("orders: what the root has signed is taken, what it has not is refused by its code", async () => {
  expect(await post("/v1/orders", { documents: ["aa.bb.cc"] })).toMatchObject({
    ...{ status: 200, taken: [{ kind: "adoption", outcome: "new", counts: true }] },
  });
  expect(await post("/v1/orders", { documents: ["aa.forged.cc"] })).toMatchObject({
    ...{ status: 409, code: "document.refused" },
  });
  for (const documents of [[], ["no document"], Array(65).fill("aa.bb.cc")]) {
    expect(await post("/v1/orders", { documents })).toMatchObject({ status: 409, code: "usage.invalid" });
  }
  device.life = () => undefined;
  expect(await post("/v1/orders", { documents: ["aa.bb.cc"] })).toMatchObject({ code: "api.refused" });
});
