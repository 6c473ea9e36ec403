// Living with a device: what Raspberry Pi Imager wrote, what console and card tell, another name, logs for a bug report, and a
// reset. Two devices, one boot and a half.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Status } from "../../agent/status.ts";
import { labImage } from "../../cli/lab-start.ts";
import type { LabStatus } from "../../image/lab/status.ts";
import { isWhole } from "../../image/lab/whole.ts";
import { run } from "../../system/command.ts";
import { pskOf } from "../provisioning/imager-card.ts";
import { type ImagerImage, writtenByImager } from "./imager-image.ts";
import { bootLab, deviceOf, type TestLab } from "./lab.ts";

const imager = {
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home"],
  wifi: { ssid: "Attic", password: "canary in a cage", country: "CZ" },
};
let image: ImagerImage;
let lab: TestLab;
let whole: LabStatus;
beforeAll(async () => {
  image = await writtenByImager(await labImage(), imager);
  lab = await bootLab({ images: [image.path], devices: 2 });
  whole = await lab.until(isWhole);
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
  await image?.[Symbol.asyncDispose]();
});

const statusOf = async (name: string) =>
  Status.parse(JSON.parse((await lab.hamlet("status", "--device", name, "--json")).stdout));
const consoleOf = (name: string) => readFile(deviceOf(whole, name).console, "utf8");
async function eventually(check: () => Promise<void>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

test("the console says that the device starts, then who it is, where its page is, and the page as a QR code", async () => {
  await eventually(async () => {
    const shown = await consoleOf("attic");
    expect(shown).toMatch(/Hamlet \S+ \(nuc\) starts/);
    expect(shown).toMatch(/Hamlet: attic \(nuc, release \S+\) is a member of /);
    expect(shown).toMatch(/adoption code: [a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}/);
    expect(shown).toMatch(/page: http:\/\/10\.77\.0\.\d+\//);
    expect(shown).toMatch(/[█▀▄ ]{20,}\r?\n[█▀▄ ]{20,}/);
  }, 60_000);
  // A card is a few writes, not a log.
  expect((await consoleOf("attic")).match(/adoption code/g)?.length).toBeLessThanOrEqual(4);
});

test("what Raspberry Pi Imager wrote applies, beside the provision file, and no byte of a secret is left on the card", async () => {
  const psk = pskOf(imager.wifi.password, imager.wifi.ssid);
  const { stdout: keys } = await lab.on("attic", "cat", "/var/lib/hamlet/root/ssh/authorized_keys");
  expect(keys).toContain(imager.sshKeys[0]);
  const { stdout: wifi } = await lab.on("attic", "cat", "/var/lib/hamlet/root/wpa_supplicant.conf");
  expect(wifi).toMatch(/^country=CZ$/m);
  expect(wifi).toContain(psk);
  expect((await lab.on("attic", "ls", "/efi")).stdout).toBe("EFI\nhamlet\nloader\n");
  // Its zeros are no line that grep could hold in memory.
  const count = (path: string) => `tr '\\0' '\\n' <${path} | grep -a -c ${psk} || true`;
  expect(await run(["sh", "-c", count(image.path)])).toBe("1\n");
  const { stdout: left } = await lab.on("attic", "sh", "-c", `sync; ${count("/run/hamlet-disk/esp")}`);
  expect(left).toBe("0\n");
});

test("the card's report says that all is well", async () => {
  await eventually(async () => {
    const { stdout } = await lab.on("attic", "cat", "/efi/hamlet/report.txt");
    expect(stdout.length).toBe(4096);
    expect(stdout).toMatch(/^Hamlet: attic of .*\r\n[\s\S]*All is well\./);
  }, 90_000);
});

test("another name is everywhere: the others' lists, DNS, hostname, and what the next boot takes", async () => {
  const { code, stdout } = await lab.hamlet("rename", "pantry", "--device", "attic");
  expect([code, stdout]).toEqual([0, "attic is now pantry\n"]);
  await eventually(async () => {
    expect((await statusOf("cellar")).members.map(({ name }) => name)).toContain("pantry");
    expect((await lab.on("cellar", "ping", "-c1", "-W5", "pantry.hamlet.internal")).code).toBe(0);
    expect((await lab.on("attic", "hostname")).stdout).toBe("pantry\n");
    expect((await lab.on("attic", "cat", "/etc/hostname")).stdout).toBe("pantry\n");
  }, 60_000);
  const taken = await lab.hamlet("rename", "cellar", "--device", "attic");
  expect([taken.code, taken.stderr]).toEqual([3, expect.stringContaining("name.taken")]);
});

test("an archive for a bug report comes out of the device, without its key", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-logs-"));
  try {
    const path = join(folder, "attic.tar.gz");
    expect((await lab.hamlet("logs", "--device", "attic", "--bundle", path)).code).toBe(0);
    const text = gunzipSync(await readFile(path)).toString("latin1");
    for (const part of ["hamlet-logs/journal.txt", "hamlet-logs/wg.txt", "public key:", "agent: "])
      expect(text).toContain(part);
    const { stdout: key } = await lab.on("attic", "wg", "show", "hamlet0", "private-key");
    expect(key.trim()).toHaveLength(44);
    expect(text.includes(key.trim())).toBe(false);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { code, stdout } = await lab.hamlet("logs", "--device", "attic");
  expect([code, stdout]).toEqual([0, expect.stringContaining("firstboot: ")]);
});

test("a device that is reset says goodbye, restarts, and knows nothing any more", async () => {
  const { id } = deviceOf(whole, "cellar");
  const { stdout: machineId } = await lab.on("cellar", "cat", "/etc/machine-id");
  expect((await lab.hamlet("reset", "--device", "cellar", "--yes")).code).toBe(0);
  await eventually(async () => {
    expect((await statusOf("attic")).members.find((member) => member.id === id)?.state).toBe("left");
  }, 30_000);
  // It restarts by itself.
  await eventually(async () => {
    const status = await statusOf("cellar");
    expect([status.phase, status.self.id === id, status.neighborhood]).toEqual(["unprovisioned", false, undefined]);
  }, 300_000);
  const { stdout: left } = await lab.on("cellar", "sh", "-c", "cd /var/lib/hamlet && find root agent -type f");
  expect(left.trim().split("\n")).toEqual(["agent/board.json"]);
  expect((await lab.on("cellar", "cat", "/etc/machine-id")).stdout).not.toBe(machineId);
  await eventually(async () => {
    const { stdout } = await lab.on("cellar", "cat", "/efi/hamlet/report.txt");
    expect(stdout).toMatch(/belongs to no neighborhood[\s\S]*hamlet provision/);
  }, 90_000);
});
