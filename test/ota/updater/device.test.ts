// What the updater finds on the system that it runs on.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readDevice } from "../../../ota/updater/device.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";

let root: string;
const put = (path: string, content: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hamlet-device-"));
  put(join(root, "usr/lib/hamlet/release.json"), JSON.stringify({ board: "nuc", version: "0.1.0", builtS: 5 }));
  put(join(root, "proc/cmdline"), `quiet hamlet.verity=${"ab".repeat(32)} hamlet.disk=01234567\n`);
  put(join(root, "proc/sys/kernel/random/boot_id"), "a-boot\n");
});
afterEach(() => rmSync(root, { recursive: true }));
const device = () => readDevice(async () => "", root);

test("the device is what its release and its command line say", async () => {
  expect(await device()).toMatchObject({
    ...{ board: "nuc", version: "0.1.0", builtS: 5, bootId: "a-boot" },
    ...{ rootHash: "ab".repeat(32), diskSignature: "01234567", isDataLost: false },
  });
  rmSync(join(root, "usr/lib/hamlet/release.json"));
  await expect(device()).rejects.toMatchObject({ code: "boot.unsupported" });
});

test("what the owner has asked of root is seen as long as it is not done", async () => {
  const { resetRequest, installRequest, moving } = pathsUnder(root);
  const { ownerAsked } = await device();
  expect(await ownerAsked()).toBeUndefined();
  for (const [path, what] of [
    [installRequest, "install"],
    [moving, "install"],
    [resetRequest, "reset"],
  ] as const) {
    put(path, "{}");
    expect(await ownerAsked()).toBe(what);
    rmSync(path);
  }
});
