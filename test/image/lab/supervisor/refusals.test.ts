// Everything that the lab refuses has a code and a next step.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { unknownDevice } from "../../../../image/lab/machine/devices.ts";
import { joinLan } from "../../../../image/lab/network/join.ts";
import { type LabClient, labError } from "../../../../image/lab/supervisor/client.ts";
import { startLab } from "../../../../image/lab/supervisor/start.ts";
import { waitForLab } from "../../../../image/lab/supervisor/wait.ts";

test("the error for an unknown device lists the lab's devices", () => {
  expect(unknownDevice("balcony", ["attic", "cellar"])).toMatchObject({
    code: "lab.deviceUnknown",
    exitCode: 2,
    hint: expect.stringContaining("attic, cellar"),
  });
});

test("a lab without its image does not start, and the error names the file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-lab-"));
  try {
    const start = startLab({ folder: join(folder, "lab"), images: [join(folder, "missing.img")] });
    await expect(start).rejects.toMatchObject({ message: expect.stringContaining("missing.img") });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a machine that ends by itself ends the wait, and the error names its console log", async () => {
  const device = {
    name: "attic",
    state: "off",
    problem: "qemu exited with 1",
    console: "/lab/attic.console.log",
    reached: {},
  };
  const lab = { status: async () => ({ devices: [device] }) } as unknown as LabClient;
  await expect(waitForLab(lab, () => false)).rejects.toMatchObject({
    code: "lab.bootFailed",
    message: expect.stringContaining("qemu exited with 1"),
    hint: expect.stringContaining("/lab/attic.console.log"),
  });
});

test("a supervisor that fails without a reason still gives a coded error", () => {
  expect(labError("<html>")).toMatchObject({ code: "lab.bootFailed" });
  expect(labError({ code: "lab.alreadyRunning", message: "x", hint: "y", exitCode: 3 })).toMatchObject({
    code: "lab.alreadyRunning",
    hint: "y",
    exitCode: 3,
  });
});

test("joining the lab fails without the program that makes namespaces, and the error names its package", async () => {
  vi.stubEnv("PATH", "/nonexistent");
  try {
    const joining = joinLan({ socket: "/nonexistent/hub", address: "10.77.0.200/24" }, ["true"]);
    await expect(joining).rejects.toMatchObject({ code: "lab.joinFailed", hint: "install util-linux" });
  } finally {
    vi.unstubAllEnvs();
  }
});
