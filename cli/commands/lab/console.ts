// `lab console <device>`: opens a root shell in a device, on a terminal.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { HamletError } from "../../../system/error.ts";
import { columnsOf, rowsOf } from "../../../system/terminal.ts";
import { type Command, required } from "../../terminal/command.ts";

/** The channel accepts at most 1,000 of each. */
export const sizeFor = (terminal: { rows?: number; columns?: number }) => ({
  rows: Math.min(1_000, rowsOf(terminal)),
  columns: Math.min(1_000, columnsOf(terminal)),
});

export const labConsole: Command = {
  usage: "lab console <device>",
  summary: "open a root shell in a device",
  example: "hamlet lab console attic",
  details: "`exit` or Ctrl-D ends it. `hamlet lab status --json` names the file with the messages of the boot.",
  async run(input) {
    const name = required(labConsole, input, 0, "the device's name");
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      throw new HamletError("usage.invalid", "lab console needs a terminal", {
        hint: `for scripts: hamlet lab exec ${name} <command>`,
        exitCode: 2,
      });
    }
    const channel = await (await findLab()).channel(name);
    const shell = channel.exec({
      argv: ["bash", "-l"],
      cwd: "/root",
      env: { TERM: process.env["TERM"] ?? "linux" },
      terminal: sizeFor(process.stdout),
    });
    process.stdin.setRawMode(true);
    process.stdin.pipe(shell.stdin);
    shell.stdout.pipe(process.stdout, { end: false });
    shell.stderr.pipe(process.stderr, { end: false });
    const hangUp = () => shell.kill();
    process.on("SIGHUP", hangUp).on("SIGTERM", hangUp);
    try {
      return await shell.exit;
    } finally {
      process.stdin.setRawMode(false);
      process.off("SIGHUP", hangUp).off("SIGTERM", hangUp);
      process.stdin.unpipe().destroy();
      channel.close();
    }
  },
};
