// A card that was copied after its first boot, in another board on the same link.
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "t15-clones: the copy takes a new identity and waits; the original stays who it is",
  async () => {
    await using home = await makeNeighborhood(["attic", "cellar", "copy"]);
    const stateOf = (name: string) => join(home.folder(name), "state");
    const setBoard = (name: string, serial: string) =>
      writeFile(join(stateOf(name), "board.json"), JSON.stringify({ serials: [serial], macs: [] }));
    await mkdir(stateOf("attic"), { recursive: true });
    await setBoard("attic", "g6bn1234");
    await home.startAgents("attic", "cellar");
    const both = ["attic alive", "cellar alive"];
    const membersOf = async (name: string) =>
      (await home.status(name)).members.map((member) => `${member.name} ${member.state}`).sort();
    await eventually(async () => expect(await membersOf("cellar")).toEqual(both), { within: 20_000 });
    const original = (await home.status("attic")).self;

    await cp(stateOf("attic"), stateOf("copy"), { recursive: true });
    await rm(join(stateOf("copy"), "kernel.json"), { force: true });
    await setBoard("copy", "g6bn9999");
    // As systemd does, it is started again once it has ended.
    const copy = await home.startAgent("copy");
    await copy.ended;
    expect(copy.output()).toContain("it has a new identity from now on");
    await home.startAgent("copy");
    await eventually(
      async () => {
        const { self, phase } = await home.status("copy");
        expect([phase, self.id === original.id]).toEqual(["pending", false]);
        for (const name of ["attic", "cellar"]) {
          const { pending } = await home.status(name);
          expect(pending).toMatchObject([{ id: self.id, because: "needsConfirmation" }]);
          expect(await membersOf(name)).toEqual(both);
        }
        expect((await home.status("attic")).self).toMatchObject({ id: original.id, name: "attic" });
      },
      { within: 30_000 },
    );
  },
);
