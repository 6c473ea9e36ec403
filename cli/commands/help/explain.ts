// `explain <code>`: the cause and the next step of an error, a warning, a refusal or a check.
import { HamletError } from "../../../system/error.ts";
import { nearest } from "../../../system/nearest.ts";
import type { Command } from "../../terminal/command.ts";
import { table } from "../../terminal/table.ts";
import { explainedCodes } from "./codes.ts";

export const explain: Command = {
  usage: "explain [<code>]",
  summary: "explain an error, a warning, a refusal or a failed check by its code",
  example: "hamlet explain hello.refused",
  details: "Without a code, lists all codes.",
  options: { json: { type: "boolean", describe: "print JSON" } },
  choices: () => [...new Set(explainedCodes.map((row) => row.code))],
  async run({ positionals: [code], values }, { print }) {
    const found = code === undefined ? [...explainedCodes] : explainedCodes.filter((row) => row.code === code);
    if (found.length === 0) throw unknownCode(code!);
    if (values["json"]) print(JSON.stringify(found));
    else if (code === undefined) print(...table(found.map((row) => [row.code, row.kind, row.cause])));
    else {
      for (const { kind, severity, cause, next } of found) {
        print(`${code} (${severity && severity !== kind ? `${kind}, ${severity}` : kind})`);
        print(`  cause: ${cause}`, `  next:  ${next}`);
      }
    }
    return 0;
  },
};

function unknownCode(code: string): HamletError {
  const codes = [...new Set(explainedCodes.map((row) => row.code))];
  return new HamletError("usage.invalid", `there is no code ${code}`, {
    hint: `did you mean: hamlet explain ${nearest(code, codes)}`,
    exitCode: 2,
  });
}
