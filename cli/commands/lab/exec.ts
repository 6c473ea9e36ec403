// `lab exec <device> cmd`: runs a command in a device as root, and passes on its input, output and exit code.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { type Command, required, usageError } from "../../terminal/command.ts";

export const labExec: Command = {
  usage: "lab exec <device> <command...>",
  summary: "run a command in a device, as root",
  example: "hamlet lab exec attic wg show hamlet0",
  details: `
All words after the device's name belong to the command; -- may stand before it.
Uses a serial port that only virtual machines of the lab have; the image is the one that users flash.`,
  async run(input) {
    const name = required(labExec, input, 0, "the device's name");
    const argv = input.rest;
    if (argv.length === 0) throw usageError(labExec, "the command is missing");
    const channel = await (await findLab()).channel(name);
    const program = channel.exec({ argv });
    process.stdin.on("error", () => {}).pipe(program.stdin);
    program.stdout.pipe(process.stdout, { end: false });
    program.stderr.pipe(process.stderr, { end: false });
    const stop = () => program.kill();
    process.on("SIGINT", stop).on("SIGTERM", stop);
    try {
      const code = await program.exit;
      await Promise.all([program.stdout, program.stderr].map(drained));
      return code;
    } finally {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      process.stdin.unpipe().destroy();
      channel.close();
    }
  },
};

const drained = (stream: NodeJS.ReadableStream & { readableEnded?: boolean }): Promise<void> =>
  new Promise((resolve) => {
    if (stream.readableEnded) resolve();
    else stream.on("end", resolve).on("close", resolve);
  });
