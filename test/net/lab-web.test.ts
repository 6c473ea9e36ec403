// The lab's web on a real hub: other hosts of the LAN reach it by its fixed address, until somebody pulls its cable.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deviceAddress, labLan, webAddress } from "../../image/lab/network/dhcp.ts";
import { makeHub } from "../../image/lab/network/hub.ts";
import { hostArgv } from "../../image/lab/network/join.ts";
import { readRequests } from "../../image/lab/web/follow.ts";
import { startWeb } from "../../image/lab/web/web.ts";
import { run } from "../../system/command.ts";
import { silentLog } from "../../system/log.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";

const fetchText = (url: string) =>
  `fetch("${url}", { signal: AbortSignal.timeout(5_000) }).then((answer) => answer.text()).then(console.log)`;

test("the web's address is nobody else's", () => {
  const taken = [`${labLan.prefix}.1`, ...Array.from({ length: 6 }, (_, index) => deviceAddress(labLan, index))];
  expect(taken).not.toContain(webAddress);
  expect(Number(webAddress.split(".")[3])).toBeLessThan(100);
});

test.skipIf(lacks("unshare", "ip", "setpriv", "qemu-system-x86_64"))(
  "a host on the lab's LAN reads the web's folder, and none with its cable pulled; a web that was killed comes back",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-lab-web-"));
    const before = process.cwd();
    const hub = makeHub();
    process.chdir(folder);
    try {
      await hub.openPort("join", "join.lan");
      const web = await startWeb(hub, folder, folder, silentLog);
      try {
        await writeFile(join(folder, "hello"), "over the LAN");
        await eventually(() => expect(web.status().state).toBe("up"), { within: 15_000 });
        const port = { socket: join(folder, "join.lan"), address: `${deviceAddress(labLan, 0)}/24` };
        const visit = () =>
          run(hostArgv(port, [process.execPath, "-e", fetchText(`${web.status().url}hello`)]), { timeoutMs: 60_000 });
        expect(await visit()).toBe("over the LAN\n");
        expect(await readRequests(web.status().requests)).toMatchObject([
          { client: deviceAddress(labLan, 0), path: "/hello", status: 200, bytes: 12 },
        ]);
        web.setPartitioned(true);
        expect(web.status().isPartitioned).toBe(true);
        await expect(visit()).rejects.toMatchObject({ code: "command.failed" });
        web.setPartitioned(false);
        const [pid = ""] = execFileSync("pgrep", ["-f", `web/main.ts ${folder}$`], { encoding: "utf8" }).split("\n");
        process.kill(Number(pid), "SIGKILL");
        await eventually(() => expect(web.status().state).toBe("down"), { within: 15_000 });
        await eventually(() => expect(web.status().state).toBe("up"), { within: 15_000 });
        expect(await visit()).toBe("over the LAN\n");
      } finally {
        await web.stop();
      }
      expect(
        execFileSync("sh", ["-c", `pgrep -f "$1" || true`, "sh", `main.ts ${folder}$`], { encoding: "utf8" }),
      ).toBe("");
    } finally {
      await hub.close();
      process.chdir(before);
      await rm(folder, { recursive: true });
    }
  },
);
