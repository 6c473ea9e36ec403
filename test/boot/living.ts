// Everyday use of a device: Raspberry Pi Imager's settings, the console, the report on the card, a new name, logs for a bug
// report. The tests need a running lab whose attic started from a card that Imager wrote.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { LabStatus } from "../../image/lab/supervisor/status.ts";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";
import { pskOf } from "../provisioning/firstboot/imager-card.ts";
import { slowness } from "../speed.ts";
import type { ImagerImage } from "./imager-image.ts";
import { deviceOf, type TestLab } from "./lab.ts";

export type Home = { lab: TestLab; whole: LabStatus; card: ImagerImage };

export const imager = {
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home"],
  wifi: { ssid: "Attic", password: "canary in a cage", country: "CZ" },
};

/** `home` is filled before the tests run. */
export function tellOfThemselves(home: Home): void {
  test("the console shows the start, then the device's name, the address of its page and a QR code for it", async () => {
    await eventually(
      async () => {
        const shown = await consoleOf(home, "attic");
        expect(shown).toMatch(/Hamlet \S+ \(nuc\) starts/);
        expect(shown).toMatch(/Hamlet: attic \(nuc, release \S+\) is a member of /);
        expect(shown).toMatch(/adoption code: [a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}/);
        expect(shown).toMatch(/page: http:\/\/10\.77\.0\.\d+\//);
        expect(shown).toMatch(/[█▀▄ ]{20,}\r?\n[█▀▄ ]{20,}/);
      },
      { within: 60_000, every: 1_000 },
    );
    // The console shows its card a few times; it is not a log.
    expect((await consoleOf(home, "attic")).match(/adoption code/g)?.length).toBeLessThanOrEqual(4);
  });

  test("Raspberry Pi Imager's settings apply along with the provision file, and no secret stays on the card", async () => {
    const psk = pskOf(imager.wifi.password, imager.wifi.ssid);
    const { stdout: keys } = await home.lab.on("attic", "cat", "/var/lib/hamlet/root/ssh/authorized_keys");
    expect(keys).toContain(imager.sshKeys[0]);
    const { stdout: wifi } = await home.lab.on("attic", "cat", "/var/lib/hamlet/root/wpa_supplicant.conf");
    expect(wifi).toMatch(/^country=CZ$/m);
    expect(wifi).toContain(psk);
    expect((await home.lab.on("attic", "ls", "/efi")).stdout).toBe("EFI\nhamlet\nloader\n");
    // -z: without it, grep would hold the long runs of zeros in memory as one line.
    const count = (path: string) => `grep -aczF ${psk} ${path} || true`;
    expect(await run(["sh", "-c", count(home.card.path)], { timeoutMs: 300_000 * slowness() })).toBe("1\n");
    const { stdout: left } = await home.lab.on("attic", "sh", "-c", `sync; ${count("/run/hamlet-disk/esp")}`);
    expect(left).toBe("0\n");
  });

  test("the agent's user may read the slots and nothing else of the disk, also after somebody has opened one to write", async () => {
    // udev then looks at it again.
    await home.lab.on("attic", "sh", "-c", ": >>/run/hamlet-disk/root-b; udevadm settle");
    const asAgent = "setpriv --reuid=hamlet --regid=hamlet --clear-groups";
    const tryAll = (act: string) =>
      `cd /run/hamlet-disk; for one in disk esp root-a verity-a root-b verity-b data; do ${asAgent} ${act} 2>/dev/null && echo $one; done; true`;
    const { stdout: readable } = await home.lab.on("attic", "sh", "-c", tryAll('sh -c "head -c1 $one >/dev/null"'));
    expect(readable).toBe("root-a\nroot-b\n");
    const { stdout: writable } = await home.lab.on("attic", "sh", "-c", tryAll('sh -c ": >>$one"'));
    expect(writable).toBe("");
  });

  test("the card's report says that all is well", async () => {
    await eventually(
      async () => {
        const { stdout } = await home.lab.on("attic", "cat", "/efi/hamlet/report.txt");
        expect(stdout.length).toBe(4096);
        expect(stdout).toMatch(/^Hamlet: attic of .*\r\n[\s\S]*All is well\./);
      },
      { within: 90_000, every: 1_000 },
    );
  });

  test("a log archive for a bug report does not contain the device's key", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-logs-"));
    try {
      const path = join(folder, "attic.tar.gz");
      expect((await home.lab.hamlet("logs", "--device", "attic", "--archive", path)).code).toBe(0);
      const text = gunzipSync(await readFile(path)).toString("latin1");
      for (const part of ["hamlet-logs/journal.txt", "hamlet-logs/wg.txt", "public key:", "agent: "])
        expect(text).toContain(part);
      const { stdout: key } = await home.lab.on("attic", "wg", "show", "hamlet0", "private-key");
      expect(key.trim()).toHaveLength(44);
      expect(text.includes(key.trim())).toBe(false);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const { code, stdout } = await home.lab.hamlet("logs", "--device", "attic");
    expect([code, stdout]).toEqual([0, expect.stringContaining("firstboot: ")]);
  });
}

export function takeAnotherName(home: Home): void {
  test("a new name appears in the members' lists, in DNS, as the hostname and in the file that the next boot reads", async () => {
    const { code, stdout } = await home.lab.hamlet("rename", "pantry", "--device", "attic");
    expect([code, stdout]).toEqual([0, "attic is now pantry\n"]);
    await eventually(
      async () => {
        expect((await home.lab.statusOf("cellar")).members.map(({ name }) => name)).toContain("pantry");
        expect((await home.lab.on("cellar", "ping", "-c1", "-W5", "pantry.hamlet.internal")).code).toBe(0);
        expect((await home.lab.on("attic", "hostname")).stdout).toBe("pantry\n");
        expect((await home.lab.on("attic", "cat", "/etc/hostname")).stdout).toBe("pantry\n");
      },
      { within: 60_000, every: 1_000 },
    );
    const taken = await home.lab.hamlet("rename", "cellar", "--device", "attic");
    expect([taken.code, taken.stderr]).toEqual([3, expect.stringContaining("name.taken")]);
  });
}

const consoleOf = ({ whole }: Home, name: string) => readFile(deviceOf(whole, name).console, "utf8");
