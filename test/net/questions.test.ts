// The owner asks real agents from a computer that is no member of the neighborhood.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { initNeighborhood, recoverNeighborhood } from "../../provisioning/neighborhood/neighborhood.ts";
import { printRecoverySheet } from "../../provisioning/neighborhood/recovery-sheet.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

const hamletPath = fileURLToPath(new URL("../../cli/hamlet.ts", import.meta.url));
const passphrase = "correct horse battery";

test.skipIf(lacks("namespaces", "wireguard", "nft", "tcpdump"))(
  "the owner asks and renames a device on the link; a stranger and whoever listens learn nothing",
  async () => {
    await using home = await makeNeighborhood(["attic", "cellar", "laptop"]);
    const { street } = home;
    const folder = home.folder("laptop");
    const sheet = printRecoverySheet({ name: "Elm Street", id: street.keys.id, ...street });
    const now = Date.now();
    await recoverNeighborhood(join(folder, "elm"), sheet, { passphrase, now });
    await initNeighborhood(join(folder, "oak"), { name: "Oak", passphrase, now });
    await home.startAgents("attic", "cellar");
    await eventually(async () => {
      const { members } = await home.status("attic");
      expect(members.map(({ name, state }) => `${name} ${state}`)).toContain("cellar alive");
    });

    const at = async (device: string, ...argv: string[]) => {
      const env = { HAMLET_PASSPHRASE: passphrase, XDG_STATE_HOME: folder, XDG_CACHE_HOME: folder };
      const all = [process.execPath, hamletPath, ...argv, "--device", device] as const;
      const child = home.spawn("laptop", [...all], { env, cwd: "/" });
      const { code } = await child.ended;
      return { code, output: child.output() };
    };
    const hamlet = (...argv: string[]) => at(home.address("attic"), ...argv);
    const asOwner = (...argv: string[]) => hamlet(...argv, "--neighborhood", join(folder, "elm"));
    const capture = join(folder, "link.pcap");
    const listener = home.spawn("laptop", ["tcpdump", "-i", "eth0", "-s", "0", "-U", "-w", capture, "tcp"]);
    await listener.says(/listening on/);

    const told = await asOwner("status");
    expect(told).toMatchObject({ code: 0, output: expect.stringContaining("cellar") });
    expect(await asOwner("net", "explain", "cellar")).toMatchObject({
      code: 0,
      output: expect.stringContaining("same link"),
    });
    expect(await asOwner("rename", "cellar")).toMatchObject({ code: 3, output: expect.stringContaining("name.taken") });
    expect(await asOwner("rename", "pantry")).toMatchObject({ code: 0, output: "attic is now pantry\n" });
    const checked = await asOwner("update", "check");
    expect(checked).toMatchObject({ code: 1, output: expect.stringContaining("update.noUpdater") });
    await eventually(async () => {
      expect((await home.status("cellar")).members.map(({ name }) => name)).toContain("pantry");
    });

    await listener.kill("SIGINT");
    const heard = (await readFile(capture)).toString("latin1");
    expect(heard).toContain("POST /v1/questions");
    // "eyJhbGciOiJFZERTQSI" begins each signed document: {"alg":"EdDSA".
    for (const secret of ["cellar", street.keys.id, "eyJhbGciOiJFZERTQSI"]) expect(heard).not.toContain(secret);

    // Nothing on the laptop resolves names by mDNS; the old name is gone.
    for (const name of ["cellar", "pantry.local"]) {
      const byName = await at(name, "status", "--neighborhood", join(folder, "elm"));
      expect(byName).toMatchObject({ code: 0, output: expect.stringContaining("pantry") });
    }
    expect(await at("attic", "status")).toMatchObject({ code: 1, output: expect.stringContaining("device.notFound") });

    const stranger = await hamlet("status", "--neighborhood", join(folder, "oak"));
    expect(stranger).toMatchObject({ code: 1, output: expect.stringContaining("device.noAnswer") });
    expect(stranger.output).not.toContain("cellar");
    // This machine is not from an image: its own refusal arrives.
    expect(await asOwner("reset", "--yes")).toMatchObject({
      code: 3,
      output: expect.stringContaining("reset.refused"),
    });
    expect(await hamlet("reset", "--yes")).toMatchObject({
      code: 1,
      output: expect.stringContaining("device.takesNoRequests"),
    });
    expect((await home.status("attic")).members).toHaveLength(2);
  },
);
