// What a stranger gets from real agents.
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "h4-lan, h4-stranger: a stranger that announces itself, listens, passes hellos on and says them again gets no record",
  async () => {
    await using home = await makeNeighborhood(["attic", "cellar", "stranger"]);
    await home.startAgents("attic", "cellar");
    const program = [process.execPath, `${import.meta.dirname}/stranger.ts`, home.address("stranger"), "9999"] as const;
    const stranger = home.spawn("stranger", [...program]);
    type Line = { kind: string; text: string };
    const lines = (): Line[] =>
      stranger
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line));
    // Both devices say hello through it, and it has said what they said again.
    await eventually(() => expect(lines().filter(({ kind }) => kind === "replayed").length).toBeGreaterThanOrEqual(2), {
      within: 30_000,
    });
    const { neighborhood } = await home.status("attic");
    for (const { text } of lines()) {
      expect(text).not.toContain(neighborhood!.id);
      // The first letters of any record, token or certificate: `{"alg":` in base64url.
      expect(text).not.toContain("eyJhbGci");
    }
    const statuses = lines().flatMap(({ kind, text }) => (kind === "replayed" ? [text] : []));
    expect(new Set(statuses)).toEqual(new Set(["403"]));
    await eventually(async () => {
      for (const name of ["attic", "cellar"]) {
        const { members } = await home.status(name);
        expect(members.map((member) => `${member.name} ${member.state}`).sort()).toEqual([
          "attic alive",
          "cellar alive",
        ]);
      }
    });
  },
);
