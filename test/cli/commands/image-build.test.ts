import { expect, test } from "vitest";
import { imageBuild, readBase } from "../../../cli/commands/image/build.ts";
import { boardNamed } from "../../../image/boards.ts";
import { silentProgress } from "../../../system/progress.ts";

test("image build uses Debian's packages if the board can be built from them, and NixOS if asked to", () => {
  expect(readBase({}, boardNamed("nuc"))).toBe("debian");
  expect(readBase({ base: "debian" }, boardNamed("rpi4"))).toBe("debian");
  expect(readBase({ base: "nixos" }, boardNamed("rpi4"))).toBe("nixos");
  expect(readBase({ base: "nixos" }, boardNamed("rpi5"))).toBe("nixos");
  expect(() => readBase({ base: "arch" }, boardNamed("nuc"))).toThrow(
    expect.objectContaining({ code: "usage.invalid", exitCode: 2 }),
  );
});

test.each<[Record<string, string | string[]>, string]>([
  [{ repository: ["http://updates.example/"] }, "--repository needs --release-root"],
  [{ "release-root": "1.root.json" }, "--release-root needs --repository"],
  [{ repository: ["updates.example"], "release-root": "1.root.json" }, "must be an http:// or https:// address"],
])("image build with %o is refused before anything is built", async (values, why) => {
  const context = { print() {}, note() {}, progress: silentProgress };
  const building = imageBuild.run(
    { positionals: [], values: { ...values, board: "nuc", out: "/nowhere" }, rest: [] },
    context,
  );
  await expect(building).rejects.toMatchObject({ code: "usage.invalid", message: expect.stringContaining(why) });
});

test.each([{}, { base: "debian" }])(
  "a Raspberry Pi 5 from Debian packages (%o) is refused before anything is built",
  async (values) => {
    const printed: string[] = [];
    const context = { print: (line: string) => printed.push(line), note() {}, progress: silentProgress };
    const building = imageBuild.run(
      { positionals: [], values: { ...values, board: "rpi5", out: "/nowhere" }, rest: [] },
      context,
    );
    await expect(building).rejects.toMatchObject({
      code: "build.wrongBase",
      exitCode: 2,
      hint: expect.stringContaining("hamlet image build --base nixos --board rpi5"),
    });
    expect(printed).toEqual([]);
  },
);
