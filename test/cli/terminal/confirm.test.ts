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

/** Somebody who answers so, or nobody. */
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

test.each(questions)(
  "%s goes on at '%s' and at nothing else: any other answer is a no, exit code 3",
  async (_, yes, ask) => {
    const terminal = answering(`${yes}\n`);
    await ask(terminal);
    expect(terminal.asked).toEqual([expect.stringMatching(/lost|forget/)]);
    for (const other of ["", "y", "no", yes.toUpperCase()]) {
      await expect(ask(answering(other))).rejects.toMatchObject({
        code: "answer.no",
        exitCode: 3,
        message: expect.stringMatching(/^nothing was /),
      });
    }
  },
);

test.each(questions)(
  "%s asks nobody where there is no terminal: it is used wrongly, and --yes is named",
  async (_, __, ask) => {
    const terminal = answering(undefined);
    await expect(ask(terminal)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining("--yes") });
    expect(terminal.asked).toEqual([]);
  },
);

test("input that ends or is broken off at the question is no answer, and so a no", async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asking = loss(flash)(terminalOf(Object.assign(input, { isTTY: true }), Object.assign(output, { isTTY: true })));
  input.end();
  await expect(asking).rejects.toMatchObject({ code: "answer.no", exitCode: 3 });
});

test("an image that comes by stdin leaves nobody to ask", async () => {
  const terminal = answering("yes");
  await expect(confirmLoss(flash, drive!, { isStdinTaken: true, terminal })).rejects.toMatchObject({
    message: expect.stringContaining("stdin"),
  });
  expect(terminal.asked).toEqual([]);
});
