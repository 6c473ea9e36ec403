// Asks the agent in a machine for the part of its status that the lab needs.
import { agentSocket, type Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { ask } from "../../../system/http/ask.ts";
import { StatusGist } from "../supervisor/observed.ts";

/** An emulated device under load needs seconds where real hardware needs milliseconds. */
const deadlineMs = 15_000;

/** Undefined for a status that does not match the schema. Throws `device.noAnswer`. */
export async function askAgent(doors: Pick<Doors, "connect">): Promise<StatusGist | undefined> {
  const where = { createConnection: () => doors.connect(agentSocket) };
  const { status, body } = await ask(where, { path: "/v1/status", deadlineMs }).catch((cause: unknown) => {
    throw new HamletError("device.noAnswer", "the agent does not answer", { cause });
  });
  if (status !== 200) throw new HamletError("device.noAnswer", `the agent answers with HTTP ${status}`);
  return StatusGist.safeParse(parseJson(body)).data;
}
