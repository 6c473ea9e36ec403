// HTTP to a unix socket in a machine: how the lab, and commands through it, speak with an agent.
import { request } from "node:http";
import { agentSocket, type Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { readAll } from "../../../system/read-all.ts";
import { StatusGist } from "../supervisor/sight.ts";

/** An emulated device under load takes seconds for what takes milliseconds on real hardware. */
const deadlineMs = 15_000;

/** A hundred members with all that is known of their paths take 300 kB; who answers more is no agent, or means harm. */
export const maxStatusBytes = 8 << 20;

export type AgentAnswer = { status: number; body: string };

/** The body of the agent's answer. Throws `device.noAnswer`. */
export async function getFromAgent(doors: Pick<Doors, "connect">, path: string): Promise<string> {
  const { status, body } = await askAt(doors, path);
  if (status === 200) return body;
  throw new HamletError("device.noAnswer", "the agent does not answer", { cause: new Error(`HTTP ${status}`) });
}

/** Whatever the agent answers to this order, refusals included. Throws `device.noAnswer`. */
export const postToAgent = (doors: Pick<Doors, "connect">, path: string, order: object): Promise<AgentAnswer> =>
  askAt(doors, path, JSON.stringify(order));

function askAt(doors: Pick<Doors, "connect">, path: string, order?: string): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const socket = doors.connect(agentSocket);
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(new HamletError("device.noAnswer", "the agent does not answer", { cause }));
    };
    const method = order === undefined ? "GET" : "POST";
    const signal = AbortSignal.timeout(deadlineMs);
    const asked = request({ path, method, createConnection: () => socket, signal });
    asked.on("error", fail);
    asked.on("response", (response) => {
      readAll(response, maxStatusBytes).then((body) => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, body });
      }, fail);
    });
    asked.end(order);
  });
}

export async function askAgent(doors: Pick<Doors, "connect">): Promise<StatusGist | undefined> {
  const parsed = StatusGist.safeParse(parseJson(await getFromAgent(doors, "/v1/status")));
  return parsed.success ? parsed.data : undefined;
}
