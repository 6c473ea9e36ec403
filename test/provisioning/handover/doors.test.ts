// Root's programs have one door to files that the agent's user can change. This looks for another one in their sources, scripts and units.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const project = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(project, path), "utf8");
const under = (folder: string) => readdirSync(join(project, folder)).map((name) => `${folder}/${name}`);

/** Folders of root's programs. */
const rooms = ["provisioning/firstboot", "provisioning/handover", "image/install"];
/** Files that open something without the guarded folder, and what it is: never in a folder of the agent's. */
const otherDoors: Record<string, string> = {
  "provisioning/handover/folder.ts": "the guarded folder itself",
  "provisioning/firstboot/board-facts.ts": "/sys and the device tree",
  "provisioning/firstboot/disks.ts": "/sys and the disks",
  "provisioning/firstboot/drivers.ts": "/sys",
  "provisioning/firstboot/machine.ts": "the image's own files and /proc",
  "provisioning/firstboot/card-report.ts": "the report on the boot partition",
  "provisioning/firstboot/consoles.ts": "consoles",
  "image/install/available.ts": "/sys and the initrd's links",
  "image/install/copy.ts": "the copy that root made itself",
  "image/install/install.ts": "a new folder for that copy",
  "image/install/own-disk.ts": "the disk",
};
/** Where a message's file has functions for the agent too: these open without the guard, and root calls none of them. */
const forTheAgent: Record<string, string[]> = {
  "provisioning/handover/asked-reset.ts": ["askRoot"],
  "provisioning/handover/identity.ts": ["readIdentity", "keepIdentity"],
  "provisioning/handover/notices.ts": ["writeNotices"],
  "provisioning/handover/provision.ts": ["readProvision"],
  "provisioning/handover/standing.ts": ["readStanding", "keepStanding"],
  "provisioning/handover/time-zone.ts": ["readTimeZone"],
  "provisioning/handover/wifi-events.ts": ["readWifiEvents"],
};
const opens = /from "node:fs(\/promises)?"|\b(readJson|readKept|readSmallFile|writeJson|writeFileAtomic|replaceFile)\b/;

test("p1 p1-root: root's programs open everything by the guarded folder, except files that the agent cannot change", () => {
  const sources = rooms.flatMap(under).filter((path) => path.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(15);
  const found = sources.filter((path) => opens.test(read(path)));
  expect(found.sort()).toEqual([...Object.keys(otherDoors), ...Object.keys(forTheAgent)].sort());
  // None of these names the agent's folder.
  const agents =
    /agentFolder|hiddenAgent|\b(identity|standing|roster|provision|problems|boardFacts)\b\)|hamlet\/agent|run\/hamlet\b(?!-)/;
  const wrong = Object.keys(otherDoors).filter(
    (path) => !path.endsWith("handover/folder.ts") && agents.test(read(path)),
  );
  // install.ts only passes these paths on to the door.
  expect(wrong).toEqual(["image/install/install.ts"]);
  expect(read("image/install/install.ts")).toMatch(/^import \{ mkdtemp, rm \} from "node:fs\/promises";$/m);
});

test("root's programs call none of the functions that read and write for the agent", () => {
  for (const [path, names] of Object.entries(forTheAgent)) {
    for (const name of names) {
      expect(read(path)).toMatch(new RegExp(`^export (async function|const) ${name}\\b`, "m"));
      const callers = rooms
        .flatMap(under)
        .filter((file) => file !== path && new RegExp(`\\b${name}\\b`).test(read(file)));
      expect([name, callers]).toEqual([name, []]);
    }
  }
});

test("no unit of root's watches or writes files that the agent's user can change, except the notices and a signed question", () => {
  const units = [...rooms, "agent/units", "image/bundle/root/usr/lib/systemd/system"].flatMap(under);
  const agents = /\/var\/lib\/hamlet\/agent|\/run\/hamlet\b(?!-)/;
  const wrong = units
    .filter((path) => /\.(service|path|mount)$/.test(path) && !/^User=hamlet$/m.test(read(path)))
    .filter((path) => agents.test(read(path)));
  expect(wrong).toEqual(["provisioning/firstboot/hamlet-asked.path", "provisioning/firstboot/hamlet-tell.path"]);
});

test("the one script that reads the agent's notices follows no link, waits for no pipe and limits the length", () => {
  const lines = read("provisioning/firstboot/tell").split("\n");
  const readers = lines.filter((line) => line.includes("$from"));
  expect(readers.length).toBe(1);
  expect(readers[0]).toMatch(/dd if="\$from\/\$1" .*bs="\$2" count=1 iflag=nofollow,nonblock,fullblock/);
  for (const script of ["provisioning/firstboot/wifi", "image/bundle/root/usr/lib/hamlet/grow-data"])
    expect(read(script)).not.toMatch(/hamlet\/agent|run\/hamlet\b(?!-)/);
});
