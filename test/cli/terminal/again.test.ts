import { expect, test } from "vitest";
import { commands } from "../../../cli/commands.ts";
import { again, keptBy } from "../../../cli/terminal/again.ts";

test("a command takes over each option of the one before that it has", async () => {
  for (const [name, load] of Object.entries(commands)) {
    const { options = {} } = await load();
    const has = ["device", "neighborhood", "folder"].filter((option) => options[option]);
    expect([name, keptBy(name).sort()]).toEqual([name, has.sort()]);
  }
});

const told = { device: "attic", neighborhood: "My Street", folder: "ota/", json: true };
test.each([
  ["follow it: hamlet update status --watch", "hamlet update status --device attic --neighborhood 'My Street' --watch"],
  ["see why: hamlet rollout status; then hamlet rollout abort, or resume", "then hamlet rollout abort --device attic"],
  ["time to sign root: hamlet ota sign", "hamlet ota sign --folder ota/"],
  ["see with hamlet status who waits", "hamlet status --device attic --neighborhood 'My Street' who waits"],
  ["take it from a stick: `hamlet update install <path>`", "`hamlet update install --device attic <path>`"],
])("a command in %j is completed by what was typed", (hint, whole) => {
  expect(again(hint, told)).toContain(whole);
  expect(again(again(hint, told), told)).toBe(again(hint, told));
  expect(again(hint, { json: true })).toBe(hint);
});

test.each([
  "see what it does: hamlet status --device cellar --neighborhood elm",
  "log in as root and type there: hamlet reset",
  "type on the device: hamlet rename porch",
  "see why it failed: hamlet update history on the device",
  "start it with: hamlet lab up --devices 3",
  "create one: hamlet ota init ota/",
])("%j stays as it is", (hint) => {
  expect(again(hint, told)).toBe(hint);
});
