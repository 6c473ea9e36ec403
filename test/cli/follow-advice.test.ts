// Advice works: each test creates a state that raises an error, types the hint's command into a shell, and then succeeds.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeDisk } from "../image/disk/disk.ts";

const cli = fileURLToPath(new URL("../../cli/hamlet.ts", import.meta.url));
let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "hamlet-advice-"));
  await makeDisk(join(home, "built.img"));
  shell('hamlet init elm --name "Elm Street" && hamlet init oak --name Oak');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs `script` as a person would type it, in its own folder. */
function shell(script: string, env: Record<string, string> = {}): { code: number; said: string } {
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["-c", `hamlet() { "$node" "$cli" "$@" </dev/null; }; ${script}`],
    {
      cwd: home,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"],
        HOME: home,
        XDG_STATE_HOME: join(home, "state"),
        node: process.execPath,
        cli,
        HAMLET_PASSPHRASE: "correct horse battery",
        ...env,
      },
    },
  );
  return { code: status ?? -1, said: stdout + stderr };
}

type State = {
  code: string;
  /** Creates the state; by default nothing is needed. */
  given?: string;
  /** The command that raises the error and succeeds once the advice is followed; `retry` if it must be typed differently. */
  typed: string;
  env?: Record<string, string>;
  /** The command from the hint, with its placeholders filled in. */
  advice: RegExp;
  follow?: (found: RegExpExecArray) => string;
  retry?: string;
};
const states: State[] = [
  {
    code: "neighborhood.notFound",
    typed: "hamlet token create --neighborhood 'My Street' -o my.token",
    advice: /hamlet init 'My Street' --name "Elm Street"/,
  },
  {
    code: "neighborhood.notFound",
    given: "mkdir -p made",
    typed: "hamlet token create --neighborhood made -o made.token",
    advice: /hamlet init <new folder> --name "Elm Street"/,
    follow: ([found]) => found.replace("<new folder>", "made/street"),
    retry: "hamlet token create --neighborhood made/street -o made.token",
  },
  {
    code: "neighborhood.notFound",
    given: "cp -r elm keyless && rm keyless/root.key",
    typed: "hamlet token create --neighborhood keyless -o keyless.token",
    advice: /hamlet init <new folder> --recover <recovery sheet>/,
    follow: ([found]) => found.replace("<new folder>", "again").replace("<recovery sheet>", "elm/recovery.txt"),
    retry: "hamlet token create --neighborhood again -o keyless.token",
  },
  {
    code: "neighborhood.exists",
    given: "mkdir -p there",
    typed: "hamlet init there --name Elm",
    advice: /a folder that does not exist yet/,
    follow: () => "true",
    retry: "hamlet init not-there --name Elm",
  },
  {
    code: "neighborhood.noPassphrase",
    typed: "hamlet token create --neighborhood elm -o silent.token",
    env: { HAMLET_PASSPHRASE: "" },
    advice: /set HAMLET_PASSPHRASE or give --passphrase-file/,
    follow: () => "echo 'correct horse battery' > words",
    retry: "hamlet token create --neighborhood elm -o silent.token --passphrase-file words",
  },
  {
    code: "neighborhood.wrongPassphrase",
    typed: "hamlet token create --neighborhood elm -o wrong.token",
    env: { HAMLET_PASSPHRASE: "wrong horse battery" },
    advice: /hamlet init --recover makes a new folder from the recovery sheet/,
    follow: () => "hamlet init recovered --recover elm/recovery.txt",
    retry: "hamlet token create --neighborhood recovered -o wrong.token",
  },
  {
    code: "file.exists",
    given: "touch taken.token",
    typed: "hamlet token create --neighborhood elm -o taken.token",
    advice: /remove this one first/,
    follow: () => "rm taken.token",
  },
  {
    code: "provision.otherNeighborhood",
    given: "cp built.img other.img && hamlet provision other.img --neighborhood oak --name attic",
    typed: "hamlet provision other.img --neighborhood elm --name attic",
    advice: /--force moves it to Elm Street/,
    follow: () => "true",
    retry: "hamlet provision other.img --neighborhood elm --name attic --force",
  },
  {
    code: "provision.otherDevice",
    given: "hamlet provision built.img --neighborhood elm --name attic -o copy.img",
    typed: "hamlet provision built.img --neighborhood elm --name cellar -o copy.img",
    advice: /name another file with -o/,
    follow: () => "true",
    retry: "hamlet provision built.img --neighborhood elm --name cellar -o cellar.img",
  },
  {
    code: "usage.invalid",
    typed: "hamlet provision built.img --neighborhood elm --name x.img -o named.img",
    advice: /a-z, 0-9 and - inside/,
    follow: () => "true",
    retry: "hamlet provision built.img --neighborhood elm --name x -o named.img",
  },
  {
    code: "publish.versionTaken",
    given:
      "mkdir -p site && cp built.img site/a.img && hamlet image publish site/a.img -o public --url https://example.org/h/ && printf x | dd of=site/a.img bs=1 seek=1050000 conv=notrunc status=none",
    typed: "hamlet image publish site/a.img -o public --url https://example.org/h/",
    advice: /replace what is published with --replace/,
    follow: () => "true",
    retry: "hamlet image publish site/a.img -o public --url https://example.org/h/ --replace",
  },
  {
    code: "image.provisioned",
    given: "cp built.img secret.img && hamlet provision secret.img --neighborhood elm --name attic",
    typed: "hamlet image publish secret.img -o public2 --url https://example.org/h/",
    advice: /publish an image as it was built/,
    follow: () => "true",
    retry: "hamlet image publish built.img -o public2 --url https://example.org/h/",
  },
  {
    code: "flash.notADrive",
    typed: "hamlet flash built.img card.img --yes",
    given: "touch card.img",
    advice: /use cp to copy an image into a file/,
    follow: () => "cp built.img card.img",
    retry: "hamlet image inspect card.img",
  },
];

test.each(states)("the advice of $code works: $typed", ({ code, given, typed, env, advice, follow, retry }) => {
  if (given !== undefined) expect(shell(given)).toMatchObject({ code: 0 });
  const failed = shell(typed, env);
  expect(failed.code).not.toBe(0);
  expect(failed.said).toContain(`hamlet: ${code}: `);
  const found = advice.exec(failed.said);
  expect(found, failed.said).not.toBeNull();
  expect(shell(follow?.(found!) ?? found![0])).toMatchObject({ code: 0 });
  expect(shell(retry ?? typed)).toMatchObject({ code: 0 });
});
