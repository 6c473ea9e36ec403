// `ota sign`: adds signatures to what waits for them, and renews metadata before it expires.
import { toReview, type Unreviewed } from "../../../ota/repository/review.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Command, text, type Values } from "../../terminal/command.ts";
import { confirm, type Terminal, terminalOf } from "../../terminal/confirm.ts";
import { noteLacking, open, openOptions } from "./repository.ts";

export const otaSign: Command = {
  usage: "ota sign --folder <folder>",
  summary: "sign metadata that waits for signatures or expires soon",
  example: "hamlet ota sign --folder ota/",
  details: `
Signs the timestamp anew, and whatever is past half of its time and has its key in this folder. Run it once a week, by cron
for example, with HAMLET_PASSPHRASE or --passphrase-file; then copy the folder repository/ to the web server.
If two computers have the keys, copy the folder from one to the other and run it on both. What still waits for a signature holds up
nothing else. What was not made here is shown first, in words, and signed if you say so: whoever can write to the folder may have put
it there, so compare it with what hamlet ota publish or rotate printed on the computer that made it. Without a terminal it waits on,
and cron renews the rest; a script names what somebody has looked at with --reviewed.
The exit code is 1 if there was nothing to add and the timestamp could not be renewed.`,
  options: {
    json: { type: "boolean", describe: "print the result as JSON" },
    reviewed: {
      type: "string",
      argument: "digests",
      describe:
        "sign this of what was not made here, without a question: as printed without a terminal, separated by commas",
    },
    ...openOptions,
  },
  async run({ values }, { print, note }) {
    const repository = await open(otaSign, values);
    const now = systemClock.now();
    const reviewed = await review(await toReview(repository, now), values, note);
    const { placed, signed, lacking } = await signRepository(repository, now, reviewed);
    const added = signed.filter((role) => !placed.includes(role));
    if (values["json"]) print(JSON.stringify({ placed, signed, lacking }));
    else {
      if (placed.length > 0) print(`signed ${placed.join(", ")}`);
      if (added.length > 0) print(`added a signature to ${added.join(", ")}`);
    }
    noteLacking(lacking, values, note);
    if (placed.length > 0 || added.length > 0) return 0;
    note("nothing was signed: the timestamp is the one from before");
    return 1;
  },
};

/** Shows what was not made here. The digests of what may be signed; throws `answer.no`. Exported for its test. */
export async function review(
  waiting: readonly Unreviewed[],
  values: Values,
  note: (line: string) => void,
  terminal: Terminal = terminalOf(process.stdin, process.stderr),
): Promise<Set<string>> {
  const all = waiting.map(({ digest }) => digest);
  const reviewed = text(values, "reviewed")?.split(",") ?? [];
  if (all.every((digest) => reviewed.includes(digest))) return new Set(all);
  note("not made here:");
  for (const { role, changes } of waiting) for (const change of changes) note(`  ${role}.json ${change}`);
  if (!terminal.isThere) {
    note("left as it is, because there is no terminal to ask on: type the command on one,");
    note(`or once somebody has looked at it, add --reviewed ${all.join(",")}`);
    return new Set(reviewed);
  }
  const lost = "Every device will follow this.";
  const otherwise = "nothing was signed; what somebody else has put there is in the folder staged/";
  await confirm(otaSign, { lost, question: "Sign it? Type yes", answer: "yes", otherwise }, terminal);
  return new Set(all);
}
