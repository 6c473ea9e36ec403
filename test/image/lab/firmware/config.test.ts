import { expect, test } from "vitest";
import { type Conditions, readSettings } from "../../../../image/lab/firmware/config.ts";

const pi3: Conditions = { models: ["pi3"], boardType: 0x08, isTryboot: false };
const valuesOf = async (text: string, on: Conditions = pi3) =>
  Object.fromEntries((await readSettings(text, on)).values);

test("the last value of a name counts; comments and nonsense are ignored", async () => {
  expect(await valuesOf("# a=0\na=1\r\na=2\nnonsense\n=3\n")).toEqual({ a: "2" });
});

test.each([
  ["[pi3]", true],
  ["[pi4]", false],
  ["[pi4]\n[pi3]", true],
  ["[pi3]\n[tryboot]", false],
  ["[none]", false],
  ["[none]\n[pi3]", false],
  ["[pi4]\n[all]", true],
  ["[board-type=0x08]", true],
  ["[board-type=0x11]", false],
  ["[board-type=0x11]\n[board-type=8]", true],
  ["[boot_partition=2]", false],
  ["[gpio4=1]", false],
  ["[EDID=VSC-TD2220]", false],
  ["[0x12345678]", false],
])("%j lets a setting through: %s", async (filters, passes) => {
  expect(await valuesOf(`${filters}\nkernel=x\n`)).toEqual(passes ? { kernel: "x" } : {});
});

test("[tryboot] and [boot_partition=…] filter by this boot", async () => {
  const text = "[tryboot]\na=1\n[all]\n[boot_partition=3]\nb=1\n[partition=2]\nc=1\n";
  expect(await valuesOf(text, { ...pi3, isTryboot: true, partition: 3 })).toEqual({ a: "1", b: "1" });
  expect(await valuesOf(text, { ...pi3, partition: 2 })).toEqual({ c: "1" });
});

test("a line ends after 98 characters, initramfs takes no equals sign, and overlays are recorded", async () => {
  const settings = await readSettings(
    `long=${"x".repeat(200)}\ninitramfs initrd followkernel\ndtoverlay=vc4\ndtparam=audio=on\n`,
    pi3,
  );
  expect(settings.values.get("long")).toBe("x".repeat(93));
  expect(settings.values.get("initramfs")).toBe("initrd followkernel");
  expect(settings.overlays).toEqual(["dtoverlay=vc4", "dtparam=audio=on"]);
});

test("an included file is read in place, a missing one is ignored, and a circular include ends", async () => {
  const files: Record<string, string> = { "more.txt": "a=2\ninclude more.txt\n" };
  const settings = await readSettings(
    "a=1\ninclude gone.txt\ninclude more.txt\nb=1\n",
    pi3,
    async (path) => files[path],
  );
  expect(Object.fromEntries(settings.values)).toEqual({ a: "2", b: "1" });
});
