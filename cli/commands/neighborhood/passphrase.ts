// The neighborhood's passphrase: from a file, from HAMLET_PASSPHRASE, or typed twice without echo. Never from argv, which every user can read.
import { HamletError } from "../../../system/error.ts";
import { readTextFile } from "../../../system/json-file.ts";
import { type Option, text, type Values } from "../../terminal/command.ts";

export const passphraseOptions: Record<string, Option> = {
  "passphrase-file": {
    type: "string",
    argument: "file",
    describe: "read the passphrase from this file (default: HAMLET_PASSPHRASE, else ask)",
  },
  yes: {
    type: "boolean",
    short: "y",
    describe: "ask nothing; the passphrase comes from the file or HAMLET_PASSPHRASE",
  },
};

/** `isNew`: asks twice, because a slip could not be noticed later. `of`: another person's, who has another. */
type Wanted = { isNew?: boolean; of?: { whose: string; option: string } };

const asked = new WeakMap<Values, Promise<string>>();

/** Asks once a command. Throws `neighborhood.noPassphrase`. */
export function askPassphrase(values: Values, wanted: Wanted = {}): Promise<string> {
  if (wanted.of !== undefined) return ask(values, wanted);
  const asking = asked.get(values) ?? ask(values, wanted);
  asked.set(values, asking);
  return asking;
}

async function ask(values: Values, { isNew = false, of }: Wanted): Promise<string> {
  const option = of?.option ?? "passphrase-file";
  const file = text(values, option);
  if (file !== undefined) return withoutLineEnd(await readTextFile(file));
  const given = of ? undefined : process.env["HAMLET_PASSPHRASE"];
  if (given !== undefined && given !== "") return given;
  const whose = of ? `${of.whose} ` : "";
  if (values["yes"] === true || !process.stdin.isTTY) {
    const message = `${of ? whose : "the "}passphrase is needed, but there is no terminal to ask on`;
    throw new HamletError("neighborhood.noPassphrase", message, {
      hint: of ? `give --${option}` : "set HAMLET_PASSPHRASE or give --passphrase-file",
      exitCode: 2,
    });
  }
  const first = await readHidden(isNew ? `New ${whose}passphrase: ` : "Passphrase: ");
  if (isNew && first !== (await readHidden("The same again: "))) {
    throw new HamletError("neighborhood.noPassphrase", "the two passphrases differ; nothing was made", { exitCode: 2 });
  }
  return first;
}

export const withoutLineEnd = (secret: string): string => secret.replace(/\r?\n$/, "");

/** Reads one line from the terminal without showing it. */
function readHidden(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  return new Promise((resolve) => {
    let typed: string[] = [];
    const finish = (then: () => void) => {
      stdin.setRawMode(false).pause().off("data", onData);
      stderr.write("\n");
      then();
    };
    const onData = (chunk: string) => {
      for (const key of chunk) {
        if (key === "\r" || key === "\n" || key === "\u0004") return finish(() => resolve(typed.join("")));
        if (key === "\u0003") return finish(() => process.kill(process.pid, "SIGINT"));
        if (key === "\u007f" || key === "\b") typed.pop();
        else if (key === "\u0015") typed = [];
        else if (key >= " ") typed.push(key);
      }
    };
    // Echo off before the prompt, or a quick typist's first letters show.
    stdin.setEncoding("utf8").setRawMode(true).resume().on("data", onData);
    stderr.write(prompt);
  });
}
