import { expect, test } from "vitest";
import { explainedCodes } from "../../../cli/commands/help/codes.ts";
import { explain } from "../../../cli/commands/help/explain.ts";
import { checks } from "../../../ota/updater/checks.ts";
import { nearest } from "../../../system/nearest.ts";
import { silentProgress } from "../../../system/progress.ts";

async function explained(code?: string, values = {}): Promise<string[]> {
  const printed: string[] = [];
  const context = { print: (...lines: string[]) => void printed.push(...lines), note() {}, progress: silentProgress };
  await explain.run({ positionals: code === undefined ? [] : [code], values, rest: [] }, context);
  return printed;
}

test("explain prints the cause and the next step of a code", async () => {
  const [title, cause, next] = await explained("hello.refused");
  expect(title).toBe("hello.refused (error)");
  expect(cause).toMatch(/^ {2}cause: Two devices met/);
  expect(next).toMatch(/^ {2}next: {2}Provision the device again/);
});

test("a code that is both an error and a warning is explained as both", async () => {
  const titles = (await explained("state.damaged")).filter((line) => !line.startsWith(" "));
  expect(titles).toEqual(["state.damaged (error)", "state.damaged (warning)"]);
  expect((await explained("config.invalid")).filter((line) => !line.startsWith(" "))).toHaveLength(2);
});

test("a refusal is explained by its own code", async () => {
  expect((await explained("tokenForged"))[0]).toBe("tokenForged (refusal)");
});

test("whatever a rollout or a history names as the check that failed is explained", async () => {
  for (const code of [
    ...Object.keys(checks),
    "rollout.notBack",
    "rollout.contradiction",
    "rollout.wrongRoot",
    "rollout.noRestart",
  ])
    expect((await explained(code))[0]).toBe(`${code} (check)`);
});

test("without a code explain lists all codes", async () => {
  expect(await explained()).toHaveLength(explainedCodes.length);
  expect(JSON.parse((await explained(undefined, { json: true }))[0]!)).toEqual(explainedCodes);
});

test("an unknown code is a usage error that names the nearest one", async () => {
  await expect(explained("helo.refused")).rejects.toMatchObject({
    code: "usage.invalid",
    exitCode: 2,
    hint: "did you mean: hamlet explain hello.refused",
  });
});

test("every cause and every next step is a sentence", () => {
  for (const { code, cause, next } of explainedCodes) {
    for (const text of [cause, next]) expect(text, code).toMatch(/^([A-Z/`]|mDNS).*[.]$/);
  }
});

test("the nearest word has the fewest letters to change", () => {
  expect(nearest("TOKENFORGD", ["tokenForged", "tokenClosed"])).toBe("tokenForged");
  expect(nearest("anything", [])).toBeUndefined();
});
