// The status of the agent in a machine, as far as the lab reads it.
import { agentSocket, type Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { ask } from "../../../system/http/ask.ts";
import { StatusGist } from "../supervisor/observed.ts";

/** An emulated device under load takes seconds for what takes milliseconds on real hardware. */
const deadlineMs = 15_000;

/** Undefined for a status that does not fit. Throws `device.noAnswer`. */
export async function askAgent(doors: Pick<Doors, "connect">): Promise<StatusGist | undefined> {
  const where = { createConnection: () => doors.connect(agentSocket) };
  const { status, body } = await ask(where, { path: "/v1/status", deadlineMs }).catch((cause: unknown) => {
    throw new HamletError("device.noAnswer", "the agent does not answer", { cause });
  });
  if (status !== 200) throw new HamletError("device.noAnswer", `the agent answers with HTTP ${status}`);
  return StatusGist.safeParse(parseJson(body)).data;
}
