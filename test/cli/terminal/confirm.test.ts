import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { confirmLoss } from "../../../cli/commands/card/drives.ts";
import { flash } from "../../../cli/commands/card/flash.ts";
import { install } from "../../../cli/commands/device/install.ts";
import { confirmReset } from "../../../cli/commands/device/reset.ts";
import type { Command } from "../../../cli/terminal/command.ts";
import { type Terminal, terminalOf } from "../../../cli/terminal/confirm.ts";
import { readDrives } from "../../../image/flash/drives.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";
import { device } from "../../image/flash/computers.ts";

const [drive] = readDrives(device.lsblk, "");
const { state } = makeStatusSource();

/** A terminal on which someone gives this answer, or no terminal. */
const answering = (answer: string | undefined): Terminal & { asked: string[] } => {
  const asked: string[] = [];
  const ask = async (question: string) => {
    asked.push(question);
    return answer ?? "";
  };
  return { isThere: answer !== undefined, ask, asked };
};

const loss = (command: Command) => (terminal: Terminal) => confirmLoss(command, drive!, { terminal });
const questions: [string, string, (terminal: Terminal) => Promise<void>][] = [
  ["flash", "yes", loss(flash)],
  ["install", "yes", loss(install)],
  ["reset", state.self.name, (terminal) => confirmReset(state, terminal)],
];

test.each(questions)("%s continues at '%s' only: any other answer means no, with exit code 3", async (_, yes, ask) => {
  const terminal = answering(`${yes}\n`);
  await ask(terminal);
  expect(terminal.asked).toEqual([expect.stringMatching(/lost|lose/)]);
  for (const other of ["", "y", "no", yes.toUpperCase()]) {
    await expect(ask(answering(other))).rejects.toMatchObject({
      code: "answer.no",
      exitCode: 3,
      message: expect.stringMatching(/^nothing was /),
    });
  }
});

test.each(questions)(
  "%s does not ask without a terminal: it fails with a usage error that names --yes",
  async (_, __, ask) => {
    const terminal = answering(undefined);
    await expect(ask(terminal)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining("--yes") });
    expect(terminal.asked).toEqual([]);
  },
);

test("input that ends or is interrupted at the question means no", async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asking = loss(flash)(terminalOf(Object.assign(input, { isTTY: true }), Object.assign(output, { isTTY: true })));
  input.end();
  await expect(asking).rejects.toMatchObject({ code: "answer.no", exitCode: 3 });
});

test("with an image on stdin there is no terminal to ask on", async () => {
  const terminal = answering("yes");
  await expect(confirmLoss(flash, drive!, { isStdinTaken: true, terminal })).rejects.toMatchObject({
    message: expect.stringContaining("stdin"),
  });
  expect(terminal.asked).toEqual([]);
});
