// Runs root's wrapper of wpa_supplicant, unchanged, with a fake wpa_supplicant.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const script = join(import.meta.dirname, "../../../provisioning/firstboot/wifi");

test("all output goes to the journal, the last twenty events also to the agent, and settings to neither", async () => {
  const root = await mkdtemp(join(tmpdir(), "hamlet-wifi-"));
  try {
    const events = Array.from(
      { length: 30 },
      (_, n) => `wlan0: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a\\\\b" n=${n}`,
    );
    const lines = ["Successfully initialized wpa_supplicant", ...events, "psk=canary"];
    await writeFile(join(root, "lines"), `${lines.join("\n")}\n`);
    await writeFile(
      join(root, "wpa_supplicant"),
      `#!/bin/sh\necho "$@" >"$HAMLET_ROOT/argv"\nexec cat "$HAMLET_ROOT/lines"\n`,
      {
        mode: 0o755,
      },
    );
    const text = (await readFile(script, "utf8")).replace('PATH="/usr/sbin', `PATH="${root}:/usr/sbin`);
    const told = execFileSync("sh", ["-c", text, "wifi", "wlan0"], { env: { ...process.env, HAMLET_ROOT: root } });
    expect(told.toString()).toBe(`${lines.join("\n")}\n`);
    expect(await readFile(join(root, "run/hamlet-wifi/wlan0"), "utf8")).toBe(`${events.slice(-20).join("\n")}\n`);
    expect(await readFile(join(root, "argv"), "utf8")).toBe(
      `-c ${root}/var/lib/hamlet/root/wpa_supplicant.conf -i wlan0\n`,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
