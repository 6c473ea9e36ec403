// HTTP to a unix socket in a machine: how the lab, and commands through it, speak with an agent.
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { Doors } from "./channel/doors.ts";
import { StatusGist } from "./sight.ts";

export const agentSocket = "/run/hamlet/agent.sock";
/** An emulated device under load takes seconds for what takes milliseconds on real hardware. */
const deadlineMs = 15_000;

/** The body of the agent's answer. Throws `device.noAnswer`. */
export function getFromAgent(doors: Pick<Doors, "connect">, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = doors.connect(agentSocket);
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(new HamletError("device.noAnswer", "the agent does not answer", { cause }));
    };
    const asked = request({ path, createConnection: () => socket, signal: AbortSignal.timeout(deadlineMs) });
    asked.on("error", fail);
    asked.on("response", (response) => {
      text(response).then((body) => {
        socket.destroy();
        if (response.statusCode === 200) resolve(body);
        else fail(new Error(`HTTP ${response.statusCode}`));
      }, fail);
    });
    asked.end();
  });
}

export async function askAgent(doors: Pick<Doors, "connect">): Promise<StatusGist | undefined> {
  const parsed = StatusGist.safeParse(parseJson(await getFromAgent(doors, "/v1/status")));
  return parsed.success ? parsed.data : undefined;
}
